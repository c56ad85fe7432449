//! One staged file per path, durable, beside the tree on the same file system.

use std::path::PathBuf;

use millwright_agent_domain::job::Event;
use millwright_model::{digest::Digest, report::Step};

use super::{Tools, Work, ended};
use crate::{fs, state::StateDir};

/// Where the staged file of the n-th write is.
pub fn staged(state: &StateDir, index: usize) -> PathBuf {
    state.path().join("stage").join(index.to_string())
}

/// Gives every write its own copy of its blob; the blobs stay until the apply has ended, so that a
/// restart in between finds them.
pub async fn run(tools: &Tools, work: &Work) -> Event {
    let digests: Vec<Digest> = work.changes.write.iter().map(|file| file.digest).collect();
    let state = tools.state.clone();
    let job = tokio::task::spawn_blocking(move || {
        fs::clear_dir(&state.path().join("stage"))?;
        for (index, digest) in digests.iter().enumerate() {
            fs::copy(&state.blob(digest), &staged(&state, index))?;
        }
        fs::sync_all(state.path())
    });
    match ended(Step::Stage, job.await) {
        Ok(()) => Event::Done,
        Err(event) => event,
    }
}
