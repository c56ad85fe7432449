//! Projects and their parents: which projects a change reaches, and which would lose their parent.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::report::{Failure, FailureKind, Retry, Step};
use serde::Deserialize;

/// What `project.json` says that matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Project {
    /// Name of the parent; empty for none.
    pub parent: String,
    /// Whether others may inherit from it.
    pub inheritable: bool,
}

/// Reads `project.json`; what cannot be read has no parent.
pub fn parse(bytes: &[u8]) -> Option<Project> {
    serde_json::from_slice(bytes).ok()
}

/// The touched projects and all that inherit from them, however far.
pub fn reached(
    touched: &BTreeSet<String>,
    projects: &BTreeMap<String, Project>,
) -> BTreeSet<String> {
    let mut reached = touched.clone();
    // Each round adds a level of children; a chain is no longer than the number of projects.
    for _ in 0..projects.len() {
        let more: Vec<String> = projects
            .iter()
            .filter(|(name, project)| !reached.contains(*name) && reached.contains(&project.parent))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        reached.extend(more);
    }
    reached
}

/// Parents that are not as they must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Themselves, not inheritable, or taken away by this very change.
    pub failures: Vec<Failure>,
    /// Never there: the gateway loads such a project without what it would inherit, and the parent
    /// may be another profile's.
    pub notices: Vec<Failure>,
}

/// Projects among `checked` whose parent is not as it must be. `before` and `after` are all projects
/// of the gateway as they are and as they will be.
pub fn orphans(
    checked: &BTreeSet<String>,
    before: &BTreeMap<String, Project>,
    after: &BTreeMap<String, Project>,
) -> Orphans {
    let mut orphans = Orphans::default();
    for (name, project) in checked.iter().filter_map(|name| Some((name, after.get(name)?))) {
        let parent = project.parent.as_str();
        let found = after.get(parent);
        let why = match found {
            _ if parent.is_empty() => continue,
            _ if parent == name => "itself".to_owned(),
            Some(found) if found.inheritable => continue,
            Some(_) => format!("{parent}, which is not inheritable"),
            None => format!("{parent}, which is not there"),
        };
        let message = format!("project {name} has as its parent {why}");
        let failure = Failure::new(Step::Preflight, FailureKind::ParentProject, message)
            .about(name.clone())
            .remedy("map the parent project too, with inheritable: true")
            .retry(Retry::Never);
        let never_there = parent != name && found.is_none() && !before.contains_key(parent);
        match never_there {
            true => orphans.notices.push(failure),
            false => orphans.failures.push(failure),
        }
    }
    orphans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projects(all: &[(&str, &str, bool)]) -> BTreeMap<String, Project> {
        all.iter()
            .map(|(name, parent, inheritable)| {
                let project = Project { parent: (*parent).to_owned(), inheritable: *inheritable };
                ((*name).to_owned(), project)
            })
            .collect()
    }

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_parent_reaches_its_children_however_far() {
        let all = projects(&[
            ("shared", "", true),
            ("base", "shared", true),
            ("line1", "base", false),
            ("other", "", false),
            ("loop", "loop", true),
        ]);
        assert_eq!(reached(&names(&["shared"]), &all), names(&["shared", "base", "line1"]));
        assert_eq!(reached(&names(&["loop"]), &all), names(&["loop"]));
    }

    #[test]
    fn a_parent_must_be_there_and_inheritable() {
        let all = projects(&[
            ("a", "", false),
            ("b", "a", false),
            ("c", "gone", false),
            ("d", "d", true),
            ("e", "d", false),
        ]);
        let checked = names(&["a", "b", "c", "d", "e"]);
        let about = |found: &[Failure]| found.iter().map(|f| f.subject.clone()).collect::<Vec<_>>();
        let found = orphans(&checked, &all, &all);
        assert_eq!(about(&found.failures), ["b", "d"]);
        assert_eq!(about(&found.notices), ["c"]);
        // A parent that this change takes away is missed.
        let mut before = all.clone();
        before.insert("gone".to_owned(), Project::default());
        assert_eq!(about(&orphans(&checked, &before, &all).failures), ["b", "c", "d"]);
    }
}
