//! Which rollouts are followed, what is known of them, and whether they are done.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    client::Client,
    error::{Error, Kind, Result},
    view::{maybe, number, text, transitions},
};

/// Which rollouts to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one of this id.
    One(String),
    /// The newest; a newer one of the same fleet takes its place.
    Newest {
        /// Of this fleet only.
        fleet: Option<String>,
        /// Of a commit that begins like this only.
        commit: Option<String>,
    },
    /// Those that a change causes.
    Caused {
        /// Fleets that the change concerns.
        fleets: BTreeSet<String>,
        /// Rollouts that were there before.
        known: BTreeSet<String>,
    },
}

impl Target {
    /// What a command line that follows the same has after `rollout watch`.
    pub fn flags(&self) -> String {
        match self {
            Target::One(id) => format!(" {id}"),
            Target::Newest { fleet, commit } => {
                let flag = |name: &str, value: &Option<String>| {
                    value.as_ref().map(|value| format!(" --{name} {value}")).unwrap_or_default()
                };
                format!("{}{}", flag("fleet", fleet), flag("commit", commit))
            }
            Target::Caused { fleets, .. } => match fleets.first() {
                Some(fleet) if fleets.len() == 1 => format!(" --fleet {fleet}"),
                Some(_) | None => String::new(),
            },
        }
    }
}

/// What is known of the followed rollouts.
#[derive(Debug)]
pub struct Board {
    target: Target,
    /// By id.
    rollouts: BTreeMap<String, Value>,
}

fn phase(value: &Value) -> String {
    text(value, "/status/phase")
}

fn fleet(value: &Value) -> String {
    text(value, "/spec/fleet")
}

impl Board {
    /// Nothing is known yet.
    pub fn new(target: Target) -> Self {
        Self { target, rollouts: BTreeMap::new() }
    }

    /// What is followed.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether nothing has been found yet.
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty()
    }

    /// What to watch: a change that causes a rollout shows as events of other kinds first.
    pub fn watched_kind(&self) -> &'static str {
        match self.target {
            Target::One(_) | Target::Newest { .. } => "Rollout",
            Target::Caused { .. } => "",
        }
    }

    fn wants(&self, value: &Value) -> bool {
        let id = text(value, "/metadata/name");
        match &self.target {
            Target::One(wanted) => id == *wanted,
            Target::Newest { fleet: of, commit } => {
                let begins = |commit: &String| text(value, "/spec/commit").starts_with(commit);
                let other = self.rollouts.values().next().is_some_and(|followed| {
                    fleet(followed) != fleet(value)
                        || number(followed, "/status/startedAt")
                            > number(value, "/status/startedAt")
                });
                of.as_ref().is_none_or(|of| fleet(value) == *of)
                    && commit.as_ref().is_none_or(begins)
                    && !other
            }
            Target::Caused { fleets, known } => {
                fleets.contains(&fleet(value)) && !known.contains(&id)
            }
        }
    }

    /// Of a list, the oldest first, the id of the only one that counts, if only one does.
    pub fn newest_of(&self, values: &[Value]) -> Option<String> {
        match self.target {
            Target::Newest { .. } => {
                let newest = values.iter().rev().find(|value| self.wants(value));
                Some(newest.map(|value| text(value, "/metadata/name")).unwrap_or_default())
            }
            Target::One(_) | Target::Caused { .. } => None,
        }
    }

    /// Takes in what is followed; the answer is what happened since, one line each.
    pub fn offer(&mut self, value: Value) -> Option<Vec<String>> {
        if !self.wants(&value) {
            return None;
        }
        let id = text(&value, "/metadata/name");
        let lines = transitions::between(self.rollouts.get(&id), &value);
        if matches!(self.target, Target::Newest { .. }) {
            self.rollouts.retain(|known, _| *known == id);
        }
        self.rollouts.insert(id, value);
        Some(lines)
    }

    /// The newest followed rollout of each fleet.
    fn newest(&self) -> BTreeMap<String, &Value> {
        let mut newest: BTreeMap<String, &Value> = BTreeMap::new();
        for value in self.rollouts.values() {
            let began = |value: &Value| number(value, "/status/startedAt");
            let seat = newest.entry(fleet(value)).or_insert(value);
            if began(value) > began(seat) {
                *seat = value;
            }
        }
        newest
    }

    /// Rollouts to show.
    pub fn shown(&self) -> Vec<&Value> {
        self.newest().into_values().collect()
    }

    /// Whether a fleet has not begun the rollout that is waited for.
    pub fn waits_for_cause(&self) -> bool {
        match &self.target {
            Target::Caused { fleets, .. } => {
                let newest = self.newest();
                fleets.iter().any(|fleet| !newest.contains_key(fleet))
            }
            Target::One(_) | Target::Newest { .. } => false,
        }
    }

    /// How it ended; `None` while it goes on.
    pub fn verdict(&self) -> Option<Result<()>> {
        let newest = self.newest();
        match &self.target {
            Target::One(_) | Target::Newest { .. } if newest.is_empty() => return None,
            Target::Caused { .. } if self.waits_for_cause() => return None,
            Target::One(_) | Target::Newest { .. } | Target::Caused { .. } => {}
        }
        let mut failed = None;
        for value in newest.into_values() {
            let id = text(value, "/metadata/name");
            match phase(value).as_str() {
                "Completed" | "CompletedWithDeferred" => {}
                word @ ("Failed" | "Aborted") => {
                    let word = word.to_lowercase();
                    let message = format!("rollout {id} {word}: {}", self.line(&id));
                    failed = failed
                        .or(Some(Error::new(Kind::OperationFailed, message).hint(format!(
                        "millctl rollout status {id} shows where; the next commit starts a new one"
                    ))));
                }
                "Superseded" if matches!(self.target, Target::One(_)) => {
                    let message = format!("a newer rollout took the place of {id}");
                    return Some(Err(Error::new(Kind::OperationFailed, message)
                        .hint("millctl rollout watch follows the newest one")));
                }
                // A newer one is about to appear, or it is still running.
                _ => return None,
            }
        }
        Some(failed.map_or(Ok(()), Err))
    }

    /// What is known of a rollout, in one line.
    pub fn line(&self, id: &str) -> String {
        self.rollouts.get(id).map(|value| text(value, "/status/message")).unwrap_or_default()
    }

    /// A rollout that is under way.
    pub fn running(&self) -> Option<String> {
        self.shown()
            .into_iter()
            .find(|value| matches!(phase(value).as_str(), "Running" | "RollingBack"))
            .map(|value| text(value, "/metadata/name"))
    }

    /// What was followed.
    pub fn into_rollouts(self) -> Vec<Value> {
        self.rollouts.into_values().collect()
    }

    /// After a silence: fleets that have nothing to wait for are left out, a repository that cannot
    /// be resolved is an error.
    pub async fn settle(&mut self, client: &mut Client) -> Result<()> {
        let open: BTreeSet<String> = {
            let newest = self.newest();
            let Target::Caused { fleets, .. } = &self.target else { return Ok(()) };
            fleets.iter().filter(|fleet| !newest.contains_key(*fleet)).cloned().collect()
        };
        let all = client.get("Fleet", "", "").await?.values;
        let repositories = client.get("Repository", "", "").await?.values;
        let mut done = BTreeSet::new();
        for name in open {
            let found = all.iter().find(|value| text(value, "/metadata/name") == name);
            if found.map_or(Ok(true), |fleet| needs_nothing(fleet, &repositories))? {
                crate::output::note(&format!("fleet {name}: no rollout follows"));
                done.insert(name);
            }
        }
        if let Target::Caused { fleets, .. } = &mut self.target {
            fleets.retain(|fleet| !done.contains(fleet));
        }
        Ok(())
    }
}

/// Whether a fleet that has begun nothing will not begin anything.
fn needs_nothing(fleet: &Value, repositories: &[Value]) -> Result<bool> {
    let name = text(fleet, "/spec/repository");
    let repository = repositories.iter().find(|one| text(one, "/metadata/name") == name);
    let state = repository.map(|one| text(one, "/status/state")).unwrap_or_default();
    if state == "Failed" {
        let why = repository.map(|one| maybe(one, "/status/message")).unwrap_or_default();
        let message = format!("repository {name} cannot be resolved: {why}");
        return Err(Error::new(Kind::OperationFailed, message)
            .hint("the change is kept; correct the repository, and the rollout begins"));
    }
    let empty = number(fleet, "/status/gateways") == 0;
    // Without any rollout the first one is still being planned.
    let planned = text(fleet, "/status/rollout") != "-";
    Ok(empty || (state == "Resolved" && planned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(id: &str, phase: &str, at: u64) -> Value {
        json!({
            "metadata": {"name": id}, "spec": {"fleet": "plants", "commit": "abc"},
            "status": {"phase": phase, "startedAt": at, "message": "m"},
        })
    }

    fn newest() -> Target {
        Target::Newest { fleet: None, commit: None }
    }

    #[test]
    fn a_newer_rollout_of_the_fleet_takes_the_place() {
        let mut board = Board::new(newest());
        assert!(board.verdict().is_none());
        board.offer(rollout("p-1", "Running", 1));
        board.offer(rollout("p-1", "Superseded", 1));
        assert!(board.verdict().is_none(), "the newer one is on its way");
        board.offer(rollout("p-2", "Completed", 2));
        assert!(board.verdict().unwrap().is_ok());
        assert!(board.offer(rollout("p-1", "Superseded", 1)).is_none(), "older ones are history");
    }

    #[test]
    fn the_same_can_be_followed_again() {
        let newest = Target::Newest { fleet: None, commit: Some("4bf5".into()) };
        assert_eq!(newest.flags(), " --commit 4bf5");
        let caused =
            Target::Caused { fleets: ["plants".to_owned()].into(), known: BTreeSet::new() };
        assert_eq!(caused.flags(), " --fleet plants");
    }

    #[test]
    fn one_that_was_superseded_or_failed_is_no_success() {
        for phase in ["Superseded", "Failed"] {
            let mut board = Board::new(Target::One("p-1".into()));
            board.offer(rollout("p-1", phase, 1));
            assert_eq!(board.verdict().unwrap().unwrap_err().kind, Kind::OperationFailed);
        }
    }

    #[test]
    fn a_change_waits_for_every_fleet_it_concerns() {
        let target = Target::Caused {
            fleets: ["plants".to_owned()].into(),
            known: ["p-1".to_owned()].into(),
        };
        let mut board = Board::new(target);
        assert!(board.offer(rollout("p-1", "Completed", 1)).is_none());
        assert!(board.waits_for_cause() && board.verdict().is_none());
        board.offer(rollout("p-2", "Running", 2));
        assert!(!board.waits_for_cause() && board.verdict().is_none());
        board.offer(rollout("p-2", "Completed", 2));
        assert!(board.verdict().unwrap().is_ok());
    }

    #[test]
    fn silence_means_nothing_only_where_a_rollout_is_known() {
        let repository =
            |state: &str| vec![json!({"metadata": {"name": "r"}, "status": {"state": state}})];
        let fleet = |rollout: Option<&str>, gateways: u64| json!({"spec": {"repository": "r"}, "status": {"rollout": rollout, "gateways": gateways}});
        assert!(!needs_nothing(&fleet(None, 3), &repository("Resolved")).unwrap());
        assert!(!needs_nothing(&fleet(Some("p-1"), 3), &repository("Unknown")).unwrap());
        assert!(needs_nothing(&fleet(Some("p-1"), 3), &repository("Resolved")).unwrap());
        assert!(needs_nothing(&fleet(None, 0), &repository("Unknown")).unwrap());
        assert!(needs_nothing(&fleet(None, 3), &repository("Failed")).is_err());
    }
}
