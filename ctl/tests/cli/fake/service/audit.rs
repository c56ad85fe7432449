//! Entries of the script.

use millwright_model::{audit::Filter, time::Timestamp};
use millwright_proto::control as wire;

use super::{Answers, Reply, Shared, answers};

/// Those that are asked for.
pub(super) fn list(
    shared: &Shared,
    request: wire::ListAuditRequest,
) -> Reply<Answers<wire::AuditPart>> {
    let wire::ListAuditRequest { after, since_ms, actor, kind, name, limit, stale: _ } = request;
    let asked = format!("audit after={after} actor={actor} {kind}/{name} limit={limit}");
    let script = shared.asked(asked)?;
    let filter = Filter { after, since: Timestamp(since_ms), actor, kind, name };
    let entries = script.audit.iter().filter(|entry| filter.matches(entry));
    let entries = entries.map(Into::into).collect();
    let base = script.audit_base;
    let head = script.audit.last();
    let info = wire::AuditInfo {
        cluster_id: shared.cluster.to_string(),
        base_index: base.index,
        base_hash: base.hash.0.to_vec(),
        head_index: head.map_or(base.index, |entry| entry.index),
        head_hash: head.map_or(base.hash, |entry| entry.hash).0.to_vec(),
        exported: 0,
        dropped: script.audit_dropped,
        index: script.index,
    };
    let first = wire::AuditPart { info: Some(info), entries: Vec::new() };
    answers(vec![first, wire::AuditPart { info: None, entries }])
}
