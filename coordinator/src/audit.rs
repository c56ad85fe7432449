//! Writes the audit down: every coordinator appends what it has applied to files of its own, and the
//! leader then tells the state how far it has come, so that what is in a file may leave the state.
//! Nothing ever deletes a file.

mod file;

use std::{io, sync::Arc, time::Duration};

use millwright_coordinator_domain::{
    State,
    command::{Body, Outcome},
};
use tokio::time::MissedTickBehavior;

use self::file::{Files, Written};
use crate::{edge, node::Shared};

/// Folder below the node's.
pub const FOLDER: &str = "audit";
/// So many entries are told of at once.
const TELL_ENTRIES: u64 = 256;
/// Fewer are told of this often; what failed is tried again.
const TICK: Duration = Duration::from_secs(10);

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    let mut watch = shared.consensus.watch();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut files: Option<Files> = None;
    let mut is_broken = false;
    loop {
        let is_tick = tokio::select! {
            changed = watch.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
            _ = ticks.tick() => true,
            () = shared.stop.cancelled() => return,
        };
        let state = Arc::clone(&watch.borrow_and_update().state);
        let is_new = files.as_ref().is_none_or(|files| files.end() != state.audit().head());
        // After a failure the next tick tries again, not the next change.
        if state.is_founded() && is_new && (is_tick || !is_broken) {
            match write(&shared, &state, files.take()).await {
                Ok(done) => files = Some(done),
                Err(error) => tracing::error!(%error, "cannot write the audit down; trying again"),
            }
            is_broken = files.is_none();
        }
        if let Some(files) = &files {
            tell(&shared, &state, files.end().index, is_tick).await;
        }
    }
}

/// Writes what is new; the files are opened again after a failure.
async fn write(shared: &Shared, state: &Arc<State>, files: Option<Files>) -> io::Result<Files> {
    let (dir, cluster) = (shared.dir.join(FOLDER), shared.cluster_id.to_string());
    let state = Arc::clone(state);
    let work = move || {
        let mut files = match files {
            Some(files) => files,
            None => Files::open(&dir, &cluster)?,
        };
        match files.take_over(state.audit())? {
            Written::Follows => {}
            Written::Gap { from, to } => tracing::warn!(
                from,
                to,
                "entries of the audit left the state before this node saw them: \
                 they are in the files of other coordinators"
            ),
            Written::Fork { index } => tracing::error!(
                index,
                "the audit in the files of this node is not the cluster's: a new file begins; \
                 was the cluster restored from a backup, or a file changed?"
            ),
        }
        Ok(files)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Tells the cluster how far this node has come, when it leads.
async fn tell(shared: &Shared, state: &State, written: u64, is_tick: bool) {
    let audit = state.audit();
    let up_to = written.min(audit.head().index);
    let more = up_to.saturating_sub(audit.exported());
    let is_due = more >= TELL_ENTRIES || (is_tick && more > 0);
    if !is_due || !shared.consensus.leads() {
        return;
    }
    let command = edge::command(shared, Body::AuditExported { up_to });
    match shared.consensus.propose(&command).await.map(|decided| decided.outcome) {
        Ok(outcome) => {
            if let Outcome::Rejected(rejection) = outcome.as_ref() {
                tracing::warn!(why = rejection.message(), "the export of the audit is not noted");
            }
        }
        Err(error) => tracing::warn!(%error, "the export of the audit is not noted"),
    }
}
