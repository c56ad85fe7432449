//! Commits that no plan may bring to gateways. A hold is kept after it is lifted, so that it stays known
//! who did.

use std::sync::Arc;

use millwright_model::{digest::GitId, id::Name, resource::Kind};

use super::{Judged, Scene, invalid, not_found};
use crate::{
    State,
    command::Accepted,
    state::{Hold, Said},
};

/// Holds kept; the oldest lifted ones go first.
const HOLDS_MAX: usize = 200;

fn key(repository: &Name, commit: GitId) -> String {
    format!("{repository}/{commit}")
}

impl State {
    pub(super) fn hold_commit(
        &mut self,
        scene: &mut Scene<'_>,
        repository: Name,
        commit: GitId,
        lift: bool,
    ) -> Judged {
        if !self.repositories.contains_key(&repository) {
            return Err(not_found(format!("repository {repository} does not exist")));
        }
        if scene.reason.is_empty() {
            return Err(invalid("a hold needs a reason"));
        }
        let by = scene.actor.rsplit('/').next().unwrap_or(scene.actor).to_owned();
        let (reason, at) = (scene.reason.to_owned(), self.now);
        let message = if lift {
            let holds = Arc::make_mut(&mut self.holds);
            let hold = holds.get_mut(&key(&repository, commit)).filter(|h| h.lifted.is_none());
            let Some(hold) = hold else {
                return Err(not_found(format!("commit {} is not held", commit.short())));
            };
            let message = format!("hold of {} lifted by {by}: {reason}", commit.short());
            hold.lifted = Some(Said { by, reason, at });
            message
        } else {
            let message = format!("{} held by {by}: {reason}", commit.short());
            self.put_hold(Hold {
                repository: repository.clone(),
                commit,
                by,
                reason,
                at,
                lifted: None,
            });
            message
        };
        // Whether a fleet can be planned may be another answer now.
        self.config_version += 1;
        self.say(scene.index, Kind::Repository, repository.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    pub(super) fn put_hold(&mut self, hold: Hold) {
        let holds = Arc::make_mut(&mut self.holds);
        holds.insert(key(&hold.repository, hold.commit), hold);
        while holds.len() > HOLDS_MAX {
            let oldest = holds.iter().min_by_key(|(_, hold)| (hold.lifted.is_none(), hold.at));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            holds.remove(&oldest);
        }
        self.config_version += 1;
    }

    /// Holds by repository and commit.
    pub fn holds(&self) -> &std::collections::BTreeMap<String, Hold> {
        &self.holds
    }
}
