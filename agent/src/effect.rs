//! What carries actions out, one file each. Every effect may be repeated after a restart.

pub mod commit;
pub mod fetch;
pub mod preflight;
pub mod scan;
pub mod stage;
pub mod verify;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use millwright_agent_domain::{changes::Changes, job::Event};
use millwright_model::{
    assignment::Assignment,
    manifest::Manifest,
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
};

use crate::{
    config::Config,
    connect::Coordinators,
    fs::{FileFailed, Inventory},
    gateway::Gateway,
    state::StateDir,
};

/// What all effects work with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// As read.
    pub config: Arc<Config>,
    /// The gateway beside us.
    pub gateway: Gateway,
    /// The way to content.
    pub coordinators: Coordinators,
    /// What we remember.
    pub state: StateDir,
}

impl Tools {
    /// A path below the data directory.
    pub fn target(&self, path: &ManagedPath) -> PathBuf {
        self.config.gateway.data_dir.join(path.as_str())
    }
}

/// One assignment in hand.
#[derive(Debug)]
pub struct Work {
    /// What is wanted.
    pub assignment: Assignment,
    /// Its files, once fetched.
    pub manifest: Option<Arc<Manifest>>,
    /// What an earlier apply wrote.
    pub ledger: BTreeSet<ManagedPath>,
    /// Digests of files that have not changed.
    pub inventory: Inventory,
    /// What is to be done, once planned.
    pub changes: Changes,
    /// Bytes of blobs received.
    pub bytes_fetched: u64,
}

pub(crate) fn fault(step: Step, kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure { step, kind, retry: Retry::Later, message: message.into() }
}

pub(crate) fn failed(failure: Failure) -> Event {
    Event::Failed(vec![failure])
}

/// The end of a blocking file job as an event.
pub(crate) fn ended<T>(
    step: Step,
    result: Result<Result<T, FileFailed>, tokio::task::JoinError>,
) -> Result<T, Event> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(error.failure(step))),
        Err(_) => Err(failed(fault(step, FailureKind::Internal, "a file job ended unexpectedly"))),
    }
}
