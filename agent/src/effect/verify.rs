//! Reading back: every file of the manifest has its digest, and nothing that was removed is there.

use std::sync::Arc;

use millwright_agent_domain::job::Event;
use millwright_model::report::{FailureKind, Step};

use super::{Tools, Work, ended, failed, fault};
use crate::fs;

/// Paths named in a failure.
const NAMED_MAX: usize = 10;

/// Compares the tree with the manifest; unchanged files are known by their stamp.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    let Some(manifest) = work.manifest.clone() else {
        return failed(fault(
            Step::Verify,
            FailureKind::Internal,
            "there is no manifest to verify",
        ));
    };
    let mut inventory = std::mem::take(&mut work.inventory);
    let (tools, removed, wanted) =
        (tools.clone(), work.changes.remove.clone(), Arc::clone(&manifest));
    let job = tokio::task::spawn_blocking(move || {
        let mut wrong = Vec::new();
        for file in wanted.files() {
            let path = tools.target(&file.path);
            if fs::digest(&path, file.path.as_str(), &mut inventory)? != Some(file.digest) {
                wrong.push(file.path.to_string());
            }
        }
        for path in removed {
            if fs::digest(&tools.target(&path), path.as_str(), &mut inventory)?.is_some() {
                wrong.push(path.to_string());
            }
        }
        Ok((wrong, inventory))
    });
    let wrong = match ended(Step::Verify, job.await) {
        Ok((wrong, inventory)) => {
            work.inventory = inventory;
            wrong
        }
        Err(event) => return event,
    };
    if wrong.is_empty() {
        return Event::Verified { manifest: manifest.digest() };
    }
    let named = wrong.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let message = format!("{} files are not what was written: {named}", wrong.len());
    failed(fault(Step::Verify, FailureKind::ReadBack, message))
}
