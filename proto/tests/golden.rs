//! Golden bytes of everything that is stored or sent: one file per message, and one more for each
//! further variant of its oneof.
//!
//! The example of a message is made from the compiled descriptors: every field is set, to a value
//! that follows from its number, so that a renumbered, retyped or removed field changes the bytes.
//! The generated Rust types are held against the same bytes. A new message is registered in
//! [`TYPES`] and gets its file with `BLESS=1 cargo test -p millwright-proto --test golden`.
//!
//! Blessing never hides a break: a file whose bytes the new definition no longer understands in full
//! is not overwritten. What conversions accept is not tested here.

use std::{collections::BTreeSet, fs, path::PathBuf};

use millwright_proto::{DESCRIPTORS, agent, common, control, log, peer};
use prost::{DecodeError, Message};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    OneofDescriptor, ReflectMessage, Value,
};

type Recode = fn(&[u8]) -> Result<Vec<u8>, DecodeError>;

fn recode<M: Message + Default>(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Ok(M::decode(bytes)?.encode_to_vec())
}

macro_rules! types {
    ($($package:ident { $($name:ident),* $(,)? $(; $nested:literal => $message:ty)* })*) => {
        &[$(
            $((concat!("millwright.", stringify!($package), ".v1.", stringify!($name)),
                recode::<$package::$name> as Recode),)*
            $((concat!("millwright.", stringify!($package), ".v1.", $nested),
                recode::<$message> as Recode),)*
        )*]
    };
}

/// Every message with its generated type.
const TYPES: &[(&str, Recode)] = types! {
    common {
        ManifestFile, Failure, Assignment, Report, GatewayFacts, OpenSession, OpenSessions,
        SnapshotInfo, Drift, DriftEntry, Waiting,
    }
    agent {
        EnrolRequest, EnrolResponse, RenewRequest, AgentMessage, Hello, Heartbeat, Received,
        CoordinatorMessage, Welcome, HeartbeatAck, ReportAck, Drain, Peer, Secret,
        GetManifestRequest, ManifestPart, FetchRequest, FetchBatch, Chunk, Instruction, Answer,
        StoredSnapshot, StoredFile, StoredPlan, PlannedWrite, PlannedRemove,
    }
    control {
        Resource, ApplyRequest, ApplyResponse, DeleteRequest, DeleteResponse, GetRequest,
        GetResponse, WatchRequest, WatchEvent, CreateTokenRequest, CreateTokenResponse, Token,
        ListTokensRequest, ListTokensResponse, RevokeTokenRequest, RevokeTokenResponse,
        RevokeAgentRequest, RevokeAgentResponse, ActOnRolloutRequest, ActOnRolloutResponse,
        PlanFleetRequest, PlanFleetResponse,
        WhyRequest, WhyResponse, Blocker, HoldCommitRequest, HoldCommitResponse, ListHoldsRequest,
        ListHoldsResponse, Hold, ListAuditRequest, AuditPart, AuditInfo, AuditEntry,
        ClusterStatusRequest, Node, ClusterStatusResponse,
        ActOnGatewayRequest, ActOnGatewayResponse, InstructRequest, InstructResponse, Side,
        SideInfo, RenderRequest, RenderPart, RenderPiece, DiffRequest, DiffPart, DiffFile,
        ; "ApplyResponse.Result" => control::apply_response::Result
    }
    peer {
        AppendRequest, AppendResponse, VoteRequest, VoteResponse, SnapshotChunk, SnapshotResponse,
        TransferLeaderRequest, TransferLeaderResponse, ForwardRequest, ForwardResponse, Rejected,
        ReadIndexRequest, ReadIndexResponse, JoinRequest, JoinResponse, GetClusterKeyRequest,
        GetClusterKeyResponse, GetObjectsRequest, ObjectsChunk,
    }
    log {
        LeaderId, LogId, Vote, NodeInfo, NodeSet, Membership, StoredMembership, Entry, Command,
        Bootstrap, PutResources, PutResource, DeleteResource, CreateToken, UseToken, RevokeToken,
        RevokeAgent, ResolveRelease, ReleaseFailed, PlanMember, PlanStage, StartRollout,
        AdvanceRollout, RolloutStep, PlanRefused, ActOnRollout, HoldCommit, RecordReports,
        NoteRefusal, AuditExported,
        RecordPresence, AgentRef, NodeLost, PutNode, SnapshotMeta, ActOnGateway, Instruct,
        RecordAnswers, InstructionAnswer, GateAnswered,
    }
};

/// Nesting below which an example stops: no message of ours refers to itself.
const DEPTH_MAX: usize = 8;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).expect("the compiled descriptors")
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages()
        .filter(|message| message.full_name().starts_with("millwright.") && !message.is_map_entry())
        .collect()
}

fn oneofs(message: &MessageDescriptor) -> Vec<OneofDescriptor> {
    message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect()
}

/// The value of one field; numbers are too large for a narrower type.
fn value(field: &FieldDescriptor, depth: usize) -> Value {
    let number = field.number();
    let signed = i32::try_from(number).expect("a field number");
    match field.kind() {
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("{} {number}", field.name())),
        Kind::Bytes => Value::Bytes(vec![u8::try_from(number).expect("below 256"); 4].into()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(0xF000_0000 | number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(0xF000_0000_0000_0000 | u64::from(number)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-signed),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-(1 << 40) - i64::from(signed)),
        Kind::Float => Value::F32(0.5),
        Kind::Double => Value::F64(0.25),
        Kind::Enum(words) => {
            Value::EnumNumber(words.values().map(|word| word.number()).max().unwrap_or(0))
        }
        Kind::Message(message) => Value::Message(example(&message, 0, depth + 1)),
    }
}

fn map_key(field: &FieldDescriptor) -> MapKey {
    match field.kind() {
        Kind::String => MapKey::String("key".to_owned()),
        Kind::Uint64 => MapKey::U64(7),
        Kind::Uint32 => MapKey::U32(7),
        other => panic!("{}: no example for a key of kind {other:?}", field.full_name()),
    }
}

/// A message with every field set, and of each oneof the variant number `variant`.
fn example(message: &MessageDescriptor, variant: usize, depth: usize) -> DynamicMessage {
    assert!(depth < DEPTH_MAX, "{} refers to itself", message.full_name());
    let mut made = DynamicMessage::new(message.clone());
    for field in message.fields() {
        // A list of its own kind is shown one level deep.
        if matches!(field.kind(), Kind::Message(inner) if inner == *message) && depth > 0 {
            continue;
        }
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            let variants: Vec<_> = oneof.fields().collect();
            if variants[variant % variants.len()] != field {
                continue;
            }
        }
        let filled = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
            let key = map_key(&entry.map_entry_key_field());
            Value::Map([(key, value(&entry.map_entry_value_field(), depth))].into())
        } else if field.is_list() {
            Value::List(vec![value(&field, depth), value(&field, depth)])
        } else {
            value(&field, depth)
        };
        made.set_field(&field, filled);
    }
    made
}

/// Every example by the name of its file.
fn examples(pool: &DescriptorPool) -> Vec<(String, DynamicMessage)> {
    let mut all = Vec::new();
    for message in messages(pool) {
        let name = message.full_name().trim_start_matches("millwright.");
        let oneofs = oneofs(&message);
        match oneofs.as_slice() {
            [] => all.push((name.to_owned(), example(&message, 0, 0))),
            [one] => {
                for (at, field) in one.fields().enumerate() {
                    all.push((format!("{name}.{}", field.name()), example(&message, at, 0)));
                }
            }
            [..] => panic!("{name} has more than one oneof: name its files here"),
        }
    }
    all
}

/// The file: the message as text in comments, then its bytes in hex.
fn written(message: &DynamicMessage) -> String {
    let mut text = format!("# {}\n", message.descriptor().full_name());
    let pretty = message.to_text_format_with_options(
        &prost_reflect::text_format::FormatOptions::new().pretty(true),
    );
    for line in pretty.lines() {
        text.push_str(&format!("#   {line}\n"));
    }
    for chunk in message.encode_to_vec().chunks(32) {
        text.push_str(&hex::encode(chunk));
        text.push('\n');
    }
    text
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(digits).expect("hex")
}

/// Fields of old bytes that the definition of today does not know.
fn unknown(message: &DynamicMessage) -> Vec<String> {
    let name = message.descriptor().full_name().to_owned();
    let mut found: Vec<String> = message
        .unknown_fields()
        .map(|field| format!("{name} has no field {} any more", field.number()))
        .collect();
    for (_, value) in message.fields() {
        let inner: Vec<&Value> = match value {
            Value::List(list) => list.iter().collect(),
            Value::Map(map) => map.values().collect(),
            one => vec![one],
        };
        for message in inner.into_iter().filter_map(Value::as_message) {
            found.extend(unknown(message));
        }
    }
    found
}

/// Writes a file unless that would hide a break.
fn bless(name: &str, message: &DynamicMessage) {
    let path = folder().join(format!("{name}.txt"));
    if let Ok(old) = fs::read_to_string(&path) {
        let bytes = bytes_of(&old);
        let understood = DynamicMessage::decode(message.descriptor(), bytes.as_slice())
            .unwrap_or_else(|error| {
                panic!("{name}: stored bytes cannot be read any more: {error}")
            });
        let lost = unknown(&understood);
        assert!(
            lost.is_empty(),
            "{name}: {lost:?}. Fields are only added: give the field its number back, or reserve \
             the number and delete {} if no released program ever wrote it.",
            path.display()
        );
    }
    fs::create_dir_all(folder()).expect("the folder");
    fs::write(&path, written(message)).expect("a golden file");
}

#[test]
fn every_message_has_its_golden_bytes() {
    let pool = pool();
    let blessing = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, message) in examples(&pool) {
        if blessing {
            bless(&name, &message);
        }
        let Ok(text) = fs::read_to_string(folder().join(format!("{name}.txt"))) else {
            wrong.push(format!("{name}: has no golden file"));
            continue;
        };
        let golden = bytes_of(&text);
        if message.encode_to_vec() != golden {
            wrong.push(format!("{name}: is encoded differently"));
        }
        match DynamicMessage::decode(message.descriptor(), golden.as_slice()) {
            Ok(decoded) if decoded == message => {}
            Ok(_) => wrong.push(format!("{name}: the golden bytes mean something else now")),
            Err(error) => wrong.push(format!("{name}: cannot be decoded: {error}")),
        }
        let full = message.descriptor().full_name().to_owned();
        match TYPES.iter().find(|(known, _)| *known == full) {
            None => wrong.push(format!("{name}: {full} is not registered in TYPES of this test")),
            Some((_, recode)) => match recode(&golden) {
                Ok(again) if again == golden => {}
                Ok(_) => wrong.push(format!("{name}: the Rust type loses a part of it")),
                Err(error) => wrong.push(format!("{name}: the Rust type cannot read it: {error}")),
            },
        }
    }
    assert!(
        wrong.is_empty(),
        "see CONTRIBUTING.md, \"Changing what is stored or sent\"; after an addition run \
         BLESS=1 cargo test -p millwright-proto --test golden and commit what it writes:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_golden_file_and_no_registered_type_is_without_its_message() {
    let pool = pool();
    let expected: BTreeSet<String> =
        examples(&pool).into_iter().map(|(name, _)| format!("{name}.txt")).collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder of golden files")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let stray: Vec<_> = found.difference(&expected).collect();
    assert!(stray.is_empty(), "a message that was stored or sent is gone: {stray:?}");
    let known: BTreeSet<String> =
        messages(&pool).iter().map(|message| message.full_name().to_owned()).collect();
    let gone: Vec<_> = TYPES.iter().filter(|(name, _)| !known.contains(*name)).collect();
    assert!(
        gone.is_empty(),
        "no such message: {:?}",
        gone.iter().map(|(n, _)| n).collect::<Vec<_>>()
    );
}
