//! What a manifest changes on a gateway, in numbers and paths. What a gateway has is made again from what
//! its agent has read back and from what it is told now, so nobody asks an agent.

use std::{collections::BTreeSet, sync::Arc};

use millwright_coordinator_domain::{
    State,
    render::{running, told},
};
use millwright_model::{
    gate::{Bounded, DiffSummary, PATHS_MAX},
    id::GatewayName,
    manifest::{Dir, Manifest},
};

use crate::{node::Shared, source};

/// Projects that are named.
const PROJECTS_MAX: usize = 20;

/// What one manifest changes against another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// New files.
    pub added: u64,
    /// Files with other content or rights.
    pub changed: u64,
    /// Files that go away.
    pub removed: u64,
    /// Bytes of the new and changed files, before compression.
    pub bytes: u64,
    /// Projects with any of them, the first by name.
    pub projects: Vec<String>,
    /// Paths of any of them.
    paths: BTreeSet<String>,
}

impl Change {
    /// What `shall` changes against what a gateway has; without anything there, all is new.
    pub fn between(has: Option<&Manifest>, shall: &Manifest) -> Self {
        let none = Dir::default();
        let mut change = Self::default();
        let mut projects = BTreeSet::new();
        for (path, new, old) in shall.tree().diff(has.map_or(&none, |has| has.tree())) {
            let count = match (new, old) {
                (Some(_), None) => &mut change.added,
                (Some(_), Some(_)) => &mut change.changed,
                (None, _) => &mut change.removed,
            };
            *count += 1;
            change.bytes += new.map_or(0, |file| file.size);
            let project = path.strip_prefix("projects/").and_then(|rest| rest.split('/').next());
            if let Some(project) = project.filter(|_| projects.len() < PROJECTS_MAX) {
                projects.insert(project.to_owned());
            }
            change.paths.insert(path);
        }
        change.projects = projects.into_iter().collect();
        change
    }
}

/// The same over several gateways: files are counted on each, paths are named once.
pub fn summary(changes: &[Change]) -> DiffSummary {
    let sum = |of: fn(&Change) -> u64| changes.iter().map(of).sum();
    let paths: BTreeSet<&str> =
        changes.iter().flat_map(|change| change.paths.iter().map(String::as_str)).collect();
    DiffSummary {
        added: sum(|change| change.added),
        changed: sum(|change| change.changed),
        removed: sum(|change| change.removed),
        paths: Bounded::of(paths.into_iter().map(str::to_owned), PATHS_MAX),
    }
}

/// What a gateway may have by the time that it gets something new.
pub async fn had(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
) -> Result<Vec<Arc<Manifest>>, String> {
    let mut all = Vec::new();
    let running = running(state, gateway).map_err(|error| error.to_string())?;
    let told = told(state, gateway);
    let specs = running.iter().flat_map(|running| &running.candidates).chain(told);
    for spec in specs {
        let manifest = source::ensure(shared, state, spec).await.map_err(|status| {
            let (why, commit) = (status.message(), spec.commit.short());
            format!("its files of commit {commit} cannot be made again: {why}")
        })?;
        if !all.contains(&manifest) {
            all.push(manifest);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use millwright_model::{digest::Digest, manifest::FileEntry, path::ManagedPath};

    use super::*;

    fn manifest(files: &[(&str, u64)]) -> Manifest {
        let entry = |(path, size): &(&str, u64)| FileEntry {
            path: ManagedPath::parse(path).unwrap(),
            digest: Digest::of(&size.to_be_bytes()),
            size: *size,
            mode: 0o644,
        };
        Manifest::new(Vec::new(), files.iter().map(entry).collect()).unwrap()
    }

    #[test]
    fn files_bytes_and_projects_are_counted() {
        let has = manifest(&[("projects/a/x", 1), ("projects/b/y", 2), ("config/z", 3)]);
        let shall = manifest(&[("projects/a/x", 10), ("config/z", 3), ("projects/c/new", 5)]);
        let change = Change::between(Some(&has), &shall);
        assert_eq!((change.added, change.changed, change.removed, change.bytes), (1, 1, 1, 15));
        assert_eq!(change.projects, ["a", "b", "c"]);
        assert_eq!(Change::between(Some(&has), &has), Change::default());
        let all = Change::between(None, &shall);
        assert_eq!((all.added, all.bytes), (3, 18));
        let both = summary(&[change.clone(), all, change]);
        assert_eq!((both.added, both.changed, both.removed, both.paths.total), (5, 2, 2, 4));
    }
}
