//! Applies committed entries to the domain's `State` and publishes it once per batch.
//!
//! It decides nothing: `State::apply` does. Answers are sent only after the state is published, so
//! whoever got an answer finds its own write in the next read at this node.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use millwright_coordinator_domain::{
    State, Touched,
    command::{LogContext, Outcome, Rejection},
};
use millwright_proto::log;
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};
use prost::Message;
use tokio::sync::watch;

use super::{
    snapshot::{self, SnapshotDir},
    types::{Applied, LogId, Node, Proposal, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};
use crate::convert;

/// A state as of one log index.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Index of the last applied entry; 0 before the first.
    pub index: u64,
    /// The state after it.
    pub state: Arc<State>,
}

/// Is told which gateways a batch touched, so that nobody has to look at the whole fleet.
pub type TouchedListener = Arc<dyn Fn(&Touched) + Send + Sync>;

/// The replicated state machine of one node.
pub struct Machine {
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshots: SnapshotDir,
    publish: watch::Sender<Published>,
    listener: TouchedListener,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine at the newest snapshot of `snapshots`, or empty.
    ///
    /// # Errors
    /// When the snapshot is damaged or from a newer program: nothing is dropped silently.
    pub fn open(
        snapshots: SnapshotDir,
        publish: watch::Sender<Published>,
        listener: TouchedListener,
    ) -> io::Result<Self> {
        let mut machine = Self {
            state: State::default(),
            applied: None,
            membership: StoredMembership::default(),
            snapshots,
            publish,
            listener,
        };
        if let Some(file) = machine.snapshots.load()? {
            let (meta, state) = snapshot::decode(&file)?;
            machine.adopt(&meta, state);
        }
        Ok(machine)
    }

    fn adopt(&mut self, meta: &SnapshotMeta, state: State) {
        self.state = state;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.publish_state();
    }

    fn publish_state(&self) {
        let index = self.applied.as_ref().map_or(0, LogId::index);
        self.publish.send_replace(Published { index, state: Arc::new(self.state.clone()) });
    }

    fn apply_command(&mut self, index: u64, proposal: &Proposal, touched: &mut Touched) -> Outcome {
        let command = log::Command::decode(proposal.0.clone())
            .map_err(|error| error.to_string())
            .and_then(|wire| convert::command_from_wire(wire).map_err(|error| error.to_string()));
        match command {
            Ok(command) => {
                let (outcome, more) = self.state.apply(LogContext { index }, command);
                touched.merge(more);
                outcome
            }
            // The same bytes are judged the same way by every node of this version.
            Err(message) => Outcome::Rejected(Rejection::Invalid { message }),
        }
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut touched = Touched::default();
        while let Some((entry, responder)) = entries.try_next().await? {
            let index = entry.log_id.index();
            self.applied = Some(entry.log_id);
            let outcome = match &entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(proposal) => {
                    Some(Arc::new(self.apply_command(index, proposal, &mut touched)))
                }
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                    None
                }
            };
            if let Some(responder) = responder {
                answers.push((responder, Applied { index, outcome }));
            }
        }
        self.publish_state();
        (self.listener)(&touched);
        for (responder, applied) in answers {
            responder.send(applied);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        Builder { meta: self.meta(), state: self.state.clone(), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        file: Self::SnapshotData,
    ) -> Result<(), io::Error> {
        let (meta, state) = snapshot::decode(&file)?;
        let snapshots = self.snapshots.clone();
        let bytes = file.len();
        blocking(move || snapshots.store(&file)).await?;
        self.adopt(&meta, state);
        tracing::info!(
            index = self.applied.as_ref().map_or(0, LogId::index),
            bytes,
            "installed a snapshot from the leader"
        );
        (self.listener)(&Touched::everything());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let snapshots = self.snapshots.clone();
        let Some(file) = blocking(move || snapshots.load()).await? else { return Ok(None) };
        let (meta, _) = snapshot::decode(&file)?;
        Ok(Some(Snapshot { meta, snapshot: file }))
    }
}

/// Writes one snapshot of a frozen state; the machine goes on meanwhile.
#[derive(Debug)]
pub struct Builder {
    meta: SnapshotMeta,
    state: State,
    snapshots: SnapshotDir,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let (meta, state, snapshots) =
            (self.meta.clone(), self.state.clone(), self.snapshots.clone());
        let file = blocking(move || {
            let file = snapshot::encode(&meta, &state)?;
            snapshots.store(&file)?;
            Ok(file)
        })
        .await?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot: file })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The members as the Raft library knows them.
pub fn members(stored: &StoredMembership) -> Vec<(u64, Node, bool)> {
    let voters: std::collections::BTreeSet<u64> = stored.voter_ids().collect();
    stored.nodes().map(|(id, node)| (*id, node.clone(), voters.contains(id))).collect()
}
