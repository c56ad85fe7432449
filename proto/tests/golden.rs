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
    ($($package:ident { $($name:literal => $message:ty),* $(,)? })*) => {
        &[$($((concat!("millwright.", stringify!($package), ".v1.", $name), recode::<$message> as Recode)),*),*]
    };
}

/// Every message with its generated type.
const TYPES: &[(&str, Recode)] = types! {
    common {
        "ManifestFile" => common::ManifestFile,
        "Failure" => common::Failure,
        "Assignment" => common::Assignment,
        "Report" => common::Report,
        "GatewayFacts" => common::GatewayFacts,
        "OpenSession" => common::OpenSession,
        "OpenSessions" => common::OpenSessions,
        "SnapshotInfo" => common::SnapshotInfo,
        "Drift" => common::Drift,
        "DriftEntry" => common::DriftEntry,
    }
    agent {
        "EnrolRequest" => agent::EnrolRequest,
        "EnrolResponse" => agent::EnrolResponse,
        "RenewRequest" => agent::RenewRequest,
        "AgentMessage" => agent::AgentMessage,
        "Hello" => agent::Hello,
        "Heartbeat" => agent::Heartbeat,
        "Received" => agent::Received,
        "CoordinatorMessage" => agent::CoordinatorMessage,
        "Welcome" => agent::Welcome,
        "HeartbeatAck" => agent::HeartbeatAck,
        "ReportAck" => agent::ReportAck,
        "Drain" => agent::Drain,
        "Peer" => agent::Peer,
        "Secret" => agent::Secret,
        "GetManifestRequest" => agent::GetManifestRequest,
        "ManifestPart" => agent::ManifestPart,
        "FetchRequest" => agent::FetchRequest,
        "FetchBatch" => agent::FetchBatch,
        "Chunk" => agent::Chunk,
        "Instruction" => agent::Instruction,
        "Answer" => agent::Answer,
        "StoredSnapshot" => agent::StoredSnapshot,
        "StoredFile" => agent::StoredFile,
        "StoredPlan" => agent::StoredPlan,
        "PlannedWrite" => agent::PlannedWrite,
        "PlannedRemove" => agent::PlannedRemove,
    }
    control {
        "Resource" => control::Resource,
        "ApplyRequest" => control::ApplyRequest,
        "ApplyResponse" => control::ApplyResponse,
        "ApplyResponse.Result" => control::apply_response::Result,
        "DeleteRequest" => control::DeleteRequest,
        "DeleteResponse" => control::DeleteResponse,
        "GetRequest" => control::GetRequest,
        "GetResponse" => control::GetResponse,
        "WatchRequest" => control::WatchRequest,
        "WatchEvent" => control::WatchEvent,
        "CreateTokenRequest" => control::CreateTokenRequest,
        "CreateTokenResponse" => control::CreateTokenResponse,
        "Token" => control::Token,
        "ListTokensRequest" => control::ListTokensRequest,
        "ListTokensResponse" => control::ListTokensResponse,
        "RevokeTokenRequest" => control::RevokeTokenRequest,
        "RevokeTokenResponse" => control::RevokeTokenResponse,
        "RevokeAgentRequest" => control::RevokeAgentRequest,
        "RevokeAgentResponse" => control::RevokeAgentResponse,
        "ActOnRolloutRequest" => control::ActOnRolloutRequest,
        "ActOnRolloutResponse" => control::ActOnRolloutResponse,
        "WhyRequest" => control::WhyRequest, "WhyResponse" => control::WhyResponse,
        "Blocker" => control::Blocker,
        "HoldCommitRequest" => control::HoldCommitRequest, "HoldCommitResponse" => control::HoldCommitResponse,
        "ListHoldsRequest" => control::ListHoldsRequest, "ListHoldsResponse" => control::ListHoldsResponse,
        "Hold" => control::Hold,
        "ClusterStatusRequest" => control::ClusterStatusRequest,
        "Node" => control::Node,
        "ClusterStatusResponse" => control::ClusterStatusResponse,
        "ActOnGatewayRequest" => control::ActOnGatewayRequest,
        "ActOnGatewayResponse" => control::ActOnGatewayResponse,
        "InstructRequest" => control::InstructRequest,
        "InstructResponse" => control::InstructResponse,
        "Side" => control::Side,
        "SideInfo" => control::SideInfo,
        "RenderRequest" => control::RenderRequest,
        "RenderPart" => control::RenderPart,
        "RenderPiece" => control::RenderPiece,
        "DiffRequest" => control::DiffRequest,
        "DiffPart" => control::DiffPart,
        "DiffFile" => control::DiffFile,
    }
    peer {
        "AppendRequest" => peer::AppendRequest,
        "AppendResponse" => peer::AppendResponse,
        "VoteRequest" => peer::VoteRequest,
        "VoteResponse" => peer::VoteResponse,
        "SnapshotChunk" => peer::SnapshotChunk,
        "SnapshotResponse" => peer::SnapshotResponse,
        "TransferLeaderRequest" => peer::TransferLeaderRequest,
        "TransferLeaderResponse" => peer::TransferLeaderResponse,
        "ForwardRequest" => peer::ForwardRequest,
        "ForwardResponse" => peer::ForwardResponse,
        "Rejected" => peer::Rejected,
        "ReadIndexRequest" => peer::ReadIndexRequest,
        "ReadIndexResponse" => peer::ReadIndexResponse,
        "JoinRequest" => peer::JoinRequest,
        "JoinResponse" => peer::JoinResponse,
        "GetClusterKeyRequest" => peer::GetClusterKeyRequest,
        "GetClusterKeyResponse" => peer::GetClusterKeyResponse,
        "GetObjectsRequest" => peer::GetObjectsRequest,
        "ObjectsChunk" => peer::ObjectsChunk,
    }
    log {
        "LeaderId" => log::LeaderId,
        "LogId" => log::LogId,
        "Vote" => log::Vote,
        "NodeInfo" => log::NodeInfo,
        "NodeSet" => log::NodeSet,
        "Membership" => log::Membership,
        "StoredMembership" => log::StoredMembership,
        "Entry" => log::Entry,
        "Command" => log::Command,
        "Bootstrap" => log::Bootstrap,
        "PutResources" => log::PutResources,
        "PutResource" => log::PutResource,
        "DeleteResource" => log::DeleteResource,
        "CreateToken" => log::CreateToken,
        "UseToken" => log::UseToken,
        "RevokeToken" => log::RevokeToken,
        "RevokeAgent" => log::RevokeAgent,
        "ResolveRelease" => log::ResolveRelease,
        "ReleaseFailed" => log::ReleaseFailed,
        "PlanMember" => log::PlanMember,
        "PlanStage" => log::PlanStage,
        "StartRollout" => log::StartRollout,
        "AdvanceRollout" => log::AdvanceRollout,
        "RolloutStep" => log::RolloutStep,
        "PlanRefused" => log::PlanRefused,
        "ActOnRollout" => log::ActOnRollout,
        "HoldCommit" => log::HoldCommit,
        "RecordReports" => log::RecordReports,
        "RecordPresence" => log::RecordPresence,
        "AgentRef" => log::AgentRef,
        "NodeLost" => log::NodeLost,
        "PutNode" => log::PutNode,
        "SnapshotMeta" => log::SnapshotMeta,
        "ActOnGateway" => log::ActOnGateway,
        "Instruct" => log::Instruct,
        "RecordAnswers" => log::RecordAnswers,
        "InstructionAnswer" => log::InstructionAnswer,
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
