//! The Raft library's own storage suite over our stores.

use std::sync::Arc;

use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{
    log_store::LogStore,
    snapshot::SnapshotDir,
    state_machine::{Machine, Published},
    types::TypeConfig,
};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = LogStore::open(&dir.path().join("log"), 1 << 20).expect("a new log");
        let snapshots = SnapshotDir::open(&dir.path().join("snapshot")).expect("a new folder");
        let (publish, _) = watch::channel(Published::default());
        let machine = Machine::open(snapshots, publish, Arc::new(|_| {})).expect("no snapshot yet");
        Ok((dir, log, machine))
    }
}

#[test]
fn the_librarys_storage_suite_passes() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Suite::test_all(Builder)).expect("the suite");
}
