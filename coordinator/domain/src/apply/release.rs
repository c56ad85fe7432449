//! What refs mean: a release for each ref that is followed.

use std::sync::Arc;

use millwright_model::{digest::GitId, resource::Kind, time::Timestamp};

use super::{Judged, Scene, not_found};
use crate::{
    State,
    command::{Accepted, Rejection, ResolveRelease},
    state::{Followed, Release},
};

impl State {
    pub(super) fn resolve_release(&mut self, scene: &mut Scene<'_>, new: ResolveRelease) -> Judged {
        self.check_followed(&new.followed)?;
        let moved = self.releases.get(&new.followed).is_none_or(|old| old.commit != new.commit);
        let release = Release {
            reference: new.reference,
            commit: new.commit,
            author: new.author,
            subject: new.subject,
            committed_at: new.committed_at,
            resolved_at: self.now,
            error: String::new(),
        };
        if moved {
            self.config_version += 1;
            let message = format!(
                "{} is now {} {:?}",
                release.reference,
                release.commit.short(),
                release.subject
            );
            let repository = new.followed.repository.as_str();
            self.say(scene.index, Kind::Repository, repository, "put", message);
        }
        Arc::make_mut(&mut self.releases).insert(new.followed, Arc::new(release));
        Ok(Accepted::Done)
    }

    pub(super) fn release_failed(
        &mut self,
        scene: &mut Scene<'_>,
        followed: Followed,
        message: String,
    ) -> Judged {
        self.check_followed(&followed)?;
        let releases = Arc::make_mut(&mut self.releases);
        let mut release = releases.get(&followed).map_or_else(
            || Release {
                reference: String::new(),
                commit: GitId::default(),
                author: String::new(),
                subject: String::new(),
                committed_at: Timestamp::default(),
                resolved_at: self.now,
                error: String::new(),
            },
            |known| Release::clone(known),
        );
        release.error.clone_from(&message);
        let repository = followed.repository.clone();
        releases.insert(followed, Arc::new(release));
        self.say(scene.index, Kind::Repository, repository.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    /// Something may have changed while the remote was asked.
    fn check_followed(&self, followed: &Followed) -> Result<(), Rejection> {
        match self.is_followed(followed) {
            true => Ok(()),
            false => Err(not_found(format!("nothing follows {followed} any more"))),
        }
    }

    fn is_followed(&self, followed: &Followed) -> bool {
        self.repositories.contains_key(&followed.repository)
            && (followed.other.is_none()
                || self
                    .fleets
                    .values()
                    .any(|fleet| Followed::by(&fleet.resource.spec) == *followed))
    }

    /// Forgets the releases of refs that nothing follows.
    pub(super) fn forget_unfollowed(&mut self) {
        let lost = self.releases.keys().filter(|followed| !self.is_followed(followed));
        for followed in lost.cloned().collect::<Vec<_>>() {
            Arc::make_mut(&mut self.releases).remove(&followed);
        }
    }
}
