//! Renames into the tree: data files first, `resource.json` last, deletions after. The ledger is on
//! disk before the first rename, so that nothing we wrote is ever forgotten.

use std::collections::BTreeSet;

use millwright_agent_domain::job::Event;
use millwright_model::report::Step;

use super::{Tools, Work, ended, stage::staged};
use crate::fs;

/// Carries the planned changes out.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    work.ledger.extend(work.changes.write.iter().map(|file| file.path.clone()));
    let (tools, ledger, changes) = (tools.clone(), work.ledger.clone(), work.changes.clone());
    let job = tokio::task::spawn_blocking(move || {
        tools.state.keep_ledger(&ledger)?;
        let root = &tools.config.gateway.data_dir;
        let mut dirs = BTreeSet::new();
        for (index, file) in changes.write.iter().enumerate() {
            let dir = fs::make_parents(root, file.path.as_str())?;
            let source = staged(&tools.state, index);
            // A restart in the middle finds some of them placed already.
            if fs::size(&source).is_some() {
                fs::put(&source, &tools.target(&file.path), file.mode)?;
            }
            dirs.insert(dir);
        }
        for path in &changes.remove {
            let stop = match path.as_str().split('/').collect::<Vec<_>>().as_slice() {
                // Never the project's own folder or what is above a resource type.
                ["projects", project, ..] => root.join("projects").join(project),
                ["config", "resources", collection, ..] => {
                    root.join("config/resources").join(collection)
                }
                _ => root.clone(),
            };
            fs::remove(root, path.as_str(), &stop)?;
        }
        fs::sync_all(root)
    });
    match ended(Step::Commit, job.await) {
        Ok(()) => Event::Done,
        Err(event) => event,
    }
}
