//! Who did what, to be read and verified by whoever may read: a viewer too. It names people and
//! addresses, and what they changed, but no value of anything.

use std::sync::Arc;

use millwright_coordinator_domain::access::Deed;
use millwright_model::{
    audit::{Entry, Filter},
    time::Timestamp,
};
use millwright_proto::control as wire;
use tonic::{Request, Response};

use super::{Answers, ControlApi, Reply};

/// Entries in one message.
const PART: usize = 256;

/// Answers `list_audit`.
pub(super) async fn list(
    api: &ControlApi,
    request: Request<wire::ListAuditRequest>,
) -> Reply<Answers<wire::AuditPart>> {
    api.allowed(&request, Deed::Read)?;
    let wire::ListAuditRequest { after, since_ms, actor, kind, name, limit, stale } =
        request.into_inner();
    let filter = Filter { after, since: Timestamp(since_ms), actor, kind, name };
    let (index, state) = api.read(stale).await?;
    let audit = state.audit();
    let (base, head) = (audit.base(), audit.head());
    let info = wire::AuditInfo {
        cluster_id: state.cluster_id().to_owned(),
        base_index: base.index,
        base_hash: base.hash.0.to_vec(),
        head_index: head.index,
        head_hash: head.hash.0.to_vec(),
        exported: audit.exported(),
        dropped: audit.dropped(),
        index,
    };
    let mut found: Vec<Arc<Entry>> = audit.after(after);
    found.retain(|entry| filter.matches(entry));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit > 0 && found.len() > limit {
        found.drain(..found.len() - limit);
    }
    let first = wire::AuditPart { info: Some(info), entries: Vec::new() };
    let rest = (0..found.len().div_ceil(PART)).map(move |part| {
        let piece = found.iter().skip(part * PART).take(PART);
        wire::AuditPart { info: None, entries: piece.map(|entry| entry.as_ref().into()).collect() }
    });
    let parts = std::iter::once(first).chain(rest).map(Ok);
    Ok(Response::new(Box::pin(futures::stream::iter(parts))))
}
