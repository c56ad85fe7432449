//! The snapshot file of format 1 as it was first written: it stays readable for ever.
//!
//! The golden file is written once (`BLESS=1` makes it when it is absent) and never again: a change
//! that this test does not survive breaks every running cluster. The compressed part may differ
//! between versions of zstd, so a fresh file is compared by its parts.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Once};

use millwright_coordinator::{
    consensus::{
        codec,
        snapshot::{self, FORMAT},
        types::{LogId, Membership, Node, SnapshotMeta, StoredMembership},
    },
    convert,
};
use millwright_coordinator_domain::{
    State,
    command::{
        AgentRef, Body, Bootstrap, Command, CreateToken, LogContext, NodeRecord, Outcome,
        ResolveRelease, TokenRole,
    },
    state::Followed,
};
use millwright_model::{
    facts::GatewayFacts,
    generation::Epoch,
    id::{Member, RequestId},
    resource::Resource,
    time::Timestamp,
};
use millwright_proto::log;
use prost::Message;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/snapshot-1.mws")
}

fn resource(json: &str) -> Resource {
    Resource::from_json(json.as_bytes()).expect("a resource")
}

fn bodies() -> Vec<Body> {
    let node = NodeRecord {
        name: "n1".parse().expect("a name"),
        api_address: "10.0.0.1:7700".to_owned(),
        peer_address: "10.0.0.1:7701".to_owned(),
        version: "0.1.0".to_owned(),
        key_digest: [1; 32],
    };
    let bootstrap = Bootstrap {
        cluster_id: "c0ffee".parse().expect("an id"),
        ca_pem: "a certificate".to_owned(),
        sealed_ca_key: vec![2; 48],
        node_id: 7,
        node,
        operator: "admin".parse().expect("a name"),
        operator_key: [3; 32],
    };
    let resources = [
        r#"{"apiVersion":"millwright.dev/v1","kind":"Repository","metadata":{"name":"plant"},
            "spec":{"url":"https://git.example/plant.git","ref":{"branch":"main"}}}"#,
        r#"{"apiVersion":"millwright.dev/v1","kind":"SyncProfile","metadata":{"name":"area"},
            "spec":{"mappings":[{"source":"projects/a","destination":"projects/a"}]}}"#,
        r#"{"apiVersion":"millwright.dev/v1","kind":"Gateway",
            "metadata":{"name":"gw1","labels":{"area":"packing"}},
            "spec":{"site":"north","profile":"area"}}"#,
        r#"{"apiVersion":"millwright.dev/v1","kind":"Fleet","metadata":{"name":"plants"},
            "spec":{"repository":"plant","stages":[{"name":"all"}]}}"#,
    ];
    let token = CreateToken {
        id: "0a0b0c0d0e0f".to_owned(),
        secret_digest: [4; 32],
        role: TokenRole::Agent,
        name: "gw1".to_owned(),
        member: Member::Single,
        expires_at: Timestamp(1_791_816_000_000),
    };
    let release = ResolveRelease {
        followed: Followed::own("plant".parse().expect("a name")),
        reference: "branch main".to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
        author: "Ann".to_owned(),
        subject: "First version".to_owned(),
        committed_at: Timestamp(1_791_815_000_000),
    };
    let agent = AgentRef {
        gateway: "gw1".parse().expect("a name"),
        member: Member::Single,
        version: "0.1.0".to_owned(),
        address: "10.0.1.1:40000".to_owned(),
        facts: GatewayFacts::default(),
        instance: "i1".to_owned(),
    };
    let presence =
        Body::RecordPresence { node: 7, full: false, connected: vec![agent], lost: Vec::new() };
    vec![
        Body::Bootstrap(bootstrap),
        Body::PutResources { resources: resources.map(resource).to_vec() },
        Body::CreateToken(token),
        Body::ResolveRelease(release),
        presence,
    ]
}

/// A state that has come by through commands, as any has.
fn state() -> State {
    let mut state = State::default();
    for (at, body) in bodies().into_iter().enumerate() {
        let at = u8::try_from(at).expect("a few");
        let command = Command {
            request_id: RequestId([at; 16]),
            at: Timestamp(1_791_815_654_089 + u64::from(at)),
            epoch: if at == 0 { Epoch(0) } else { Epoch(1) },
            actor: "spiffe://c0ffee/operator/admin".to_owned(),
            from: String::new(),
            reason: "golden".to_owned(),
            body,
        };
        let (outcome, _) = state.apply(LogContext { index: u64::from(at) + 2 }, command);
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    state
}

fn meta() -> SnapshotMeta {
    let id = |index| {
        let wire = log::LogId { leader: Some(log::LeaderId { term: 3, node: 7 }), index };
        codec::log_id_in(wire).expect("a log id")
    };
    let node = Node {
        name: "n1".to_owned(),
        api_address: "10.0.0.1:7700".to_owned(),
        peer_address: "10.0.0.1:7701".to_owned(),
    };
    let membership = Membership::new(vec![[7].into()], BTreeMap::from([(7, node)]));
    let membership = membership.expect("one voter");
    let last: Option<LogId> = Some(id(6));
    SnapshotMeta {
        last_log_id: last,
        last_membership: StoredMembership::new(Some(id(1)), membership),
    }
}

/// The golden file; made when it is absent and that was asked for.
fn stored() -> Vec<u8> {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        if std::env::var_os("BLESS").is_some() && !golden().exists() {
            fs::create_dir_all(golden().parent().expect("a folder")).expect("the folder");
            let file = snapshot::encode(&meta(), &state()).expect("a snapshot");
            fs::write(golden(), file).expect("the golden file");
        }
    });
    fs::read(golden()).expect("the golden file")
}

/// Magic, header and plain state of a file, taken apart by hand.
fn parts(file: &[u8]) -> (&[u8], log::SnapshotMeta, Vec<u8>) {
    let (magic, rest) = file.split_at(8);
    let (length, rest) = rest.split_first_chunk::<4>().expect("a length");
    let (header, body) = rest.split_at(u32::from_be_bytes(*length) as usize);
    let header = log::SnapshotMeta::decode(header).expect("a header");
    let capacity = usize::try_from(header.state_bytes).expect("a size");
    (magic, header, zstd::bulk::decompress(body, capacity).expect("a state"))
}

#[test]
fn the_first_format_stays_readable() {
    let file = stored();
    let (read, old) = snapshot::decode(&file).expect(
        "a snapshot of format 1: a new field of the state needs a serde default; delete the golden \
         file and bless it only if no released program ever wrote one",
    );
    assert_eq!(read, meta());
    assert_eq!(old.cluster_id(), "c0ffee");
    assert_eq!(old.epoch(), Epoch(1));
    assert_eq!(old.nodes().len(), 1);
    assert!(old.key_allowed("spiffe://c0ffee/operator/admin", &[3; 32]));
    assert!(old.tokens().contains_key("0a0b0c0d0e0f"));
    let plant = Followed::own("plant".parse().expect("a name"));
    assert_eq!(old.release(&plant).map(|release| release.subject.as_str()), Some("First version"));
    assert_eq!(old.gateways_len(), 1);
    assert_eq!(old.agents_at(7), 1);
    // What is read can be written again without a loss.
    let again = convert::state_from_bytes(&convert::state_to_bytes(&old)).expect("a state");
    assert_eq!(again, old);
}

#[test]
fn a_new_file_is_laid_out_like_the_first() {
    let file = snapshot::encode(&meta(), &state()).expect("a snapshot");
    let (magic, header, plain) = parts(&file);
    let first_file = stored();
    let (first_magic, first, _) = parts(&first_file);
    assert_eq!(magic, b"MWSNAP1\n");
    assert_eq!((magic, FORMAT, header.format), (first_magic, first.format, first.format));
    assert_eq!(
        (&header.last_applied, &header.membership),
        (&first.last_applied, &first.membership)
    );
    assert_eq!(header.state_bytes, plain.len() as u64);
    assert_eq!(header.state_digest, blake3::hash(&plain).as_bytes());
    assert_eq!(plain, convert::state_to_bytes(&state()));
}
