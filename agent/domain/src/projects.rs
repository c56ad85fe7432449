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
            .filter(|(name, project)| {
                !reached.contains(*name) && reached.contains(&project.parent)
            })
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        reached.extend(more);
    }
    reached
}

/// Projects among `checked` whose parent is missing, themselves, or not inheritable. `projects` is
/// how all projects of the gateway will be.
pub fn orphans(
    checked: &BTreeSet<String>,
    projects: &BTreeMap<String, Project>,
) -> Vec<Failure> {
    let fault = |name: &str, project: &Project| -> Option<String> {
        let parent = project.parent.as_str();
        if parent.is_empty() {
            return None;
        }
        if parent == name {
            return Some(format!("project {name} names itself as its parent"));
        }
        match projects.get(parent) {
            None => Some(format!("project {name} has the parent {parent}, which is not there")),
            Some(found) if !found.inheritable => {
                Some(format!("project {name} has the parent {parent}, which is not inheritable"))
            }
            Some(_) => None,
        }
    };
    checked
        .iter()
        .filter_map(|name| Some((name, fault(name, projects.get(name)?)?)))
        .map(|(name, message)| {
            Failure::new(Step::Preflight, FailureKind::ParentProject, message)
                .about(name.clone())
                .remedy("map the parent project too, with inheritable: true")
                .retry(Retry::Never)
        })
        .collect()
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
        let faults = orphans(&names(&["a", "b", "c", "d", "e"]), &all);
        let about: Vec<_> = faults.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(about, ["b", "c", "d"]);
    }
}
