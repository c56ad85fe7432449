//! Who gets an identity, and what follows from it.

use millwright_coordinator_domain::{
    command::{Body, CreateToken, Outcome, TokenRole, UseToken},
    render::prospect,
};
use millwright_model::{
    id::{GatewayName, Member},
    resource::parse_documents,
    time::Timestamp,
};

use super::Cluster;

fn token(id: &str, expires: u64, member: Member) -> CreateToken {
    CreateToken {
        id: id.into(),
        secret_digest: [7; 32],
        role: TokenRole::Agent,
        name: "g1".into(),
        member,
        expires_at: Timestamp(expires),
    }
}

fn using(id: &str, secret: u8, name: &str, member: Member) -> Body {
    let (id, secret_digest, name) = (id.into(), [secret; 32], name.into());
    Body::UseToken(UseToken { id, secret_digest, name, member, key_digest: [9; 32] })
}

#[test]
fn a_token_buys_one_identity_for_the_name_on_it() {
    let mut cluster = Cluster::new();
    cluster.accepted(Body::CreateToken(token("t1", 1_000_000, Member::Single)));
    cluster.accepted(Body::CreateToken(token("t2", 1, Member::Single)));
    for (body, why) in [
        (using("t1", 8, "g1", Member::Single), "not known"),
        (using("t1", 7, "g2", Member::Single), "is for g1"),
        (using("t2", 7, "g1", Member::Single), "expired"),
        (using("t9", 7, "g1", Member::Single), "not known"),
    ] {
        match cluster.apply(body) {
            Outcome::Rejected(rejection) => assert!(rejection.message().contains(why)),
            Outcome::Accepted(accepted) => panic!("{accepted:?}, expected {why}"),
        }
    }
    cluster.accepted(using("t1", 7, "g1", Member::Single));
    assert!(cluster.state.key_allowed("spiffe://c1/agent/g1/single", &[9; 32]));
    assert!(matches!(cluster.apply(using("t1", 7, "g1", Member::Single)), Outcome::Rejected(_)));
    let gateway = "g1".parse().expect("a name");
    cluster.accepted(Body::RevokeAgent { gateway, member: Member::Single, ban: true });
    assert!(!cluster.state.key_allowed("spiffe://c1/agent/g1/single", &[9; 32]));
}

#[test]
fn a_pair_has_the_files_of_its_master() {
    let mut cluster = Cluster::new();
    let profile = "{apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: p}, \
        spec: {mappings: [{source: a, destination: 'projects/{{.Member}}'}]}}";
    let resources = parse_documents(profile, "p.yaml").expect("a valid profile");
    cluster.accepted(Body::PutResources { resources });
    cluster.release(1);
    let g1: GatewayName = "g1".parse().expect("a name");
    let destination = |cluster: &Cluster| {
        let prospect = prospect(&cluster.state, &g1, None).expect("a spec");
        prospect.spec.mappings[0].destination.to_string()
    };
    assert_eq!(destination(&cluster), "projects/single");
    cluster.accepted(Body::CreateToken(token("t1", 1_000_000, Member::Backup)));
    cluster.accepted(using("t1", 7, "g1", Member::Backup));
    assert_eq!(destination(&cluster), "projects/master");
}
