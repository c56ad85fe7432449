//! The steps of one assignment: `Job::step(event) -> (Job, actions)`. Every action ends in exactly
//! one event. Snapshots, locks and sessions are further states between `Staging` and `Committing`.

use millwright_model::{
    digest::Digest,
    report::{Failure, Step},
};

/// Where an assignment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Checks before anything is touched.
    Preflight,
    /// Manifest and missing blobs.
    Fetching,
    /// Files beside the tree.
    Staging,
    /// Renames into the tree.
    Committing,
    /// The gateway reads.
    Scanning,
    /// Reading back.
    Verifying,
    /// The end.
    Done(Verdict),
}

/// How an assignment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Read back and equal.
    Applied {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// Not done.
    Failed {
        /// Every failure found.
        failures: Vec<Failure>,
    },
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Check.
    Preflight,
    /// Fetch.
    Fetch,
    /// Stage.
    Stage,
    /// Commit.
    Commit,
    /// Scan.
    Scan,
    /// Read back.
    Verify,
    /// Report.
    Report(Verdict),
}

impl Action {
    /// The step that people see.
    pub fn step(&self) -> Step {
        match self {
            Action::Preflight => Step::Preflight,
            Action::Fetch => Step::Fetch,
            Action::Stage => Step::Stage,
            Action::Commit => Step::Commit,
            Action::Scan => Step::Scan,
            Action::Verify => Step::Verify,
            Action::Report(_) => Step::Report,
        }
    }
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Well.
    Done,
    /// Well, and there is nothing left to do: the tree is right already.
    Unchanged {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// Read back and equal.
    Verified {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// Not well.
    Failed(Vec<Failure>),
}

impl Job {
    /// The first state and its action.
    pub fn begin() -> (Self, Action) {
        (Job::Preflight, Action::Preflight)
    }

    /// The next state and what to do in it; `None` once the verdict was reported.
    #[must_use]
    pub fn step(self, event: Event) -> (Self, Option<Action>) {
        let done = |verdict: Verdict| (Job::Done(verdict.clone()), Some(Action::Report(verdict)));
        match (self, event) {
            (Job::Done(verdict), _) => (Job::Done(verdict), None),
            (_, Event::Failed(failures)) => done(Verdict::Failed { failures }),
            (_, Event::Unchanged { manifest } | Event::Verified { manifest }) => {
                done(Verdict::Applied { manifest })
            }
            (Job::Preflight, Event::Done) => (Job::Fetching, Some(Action::Fetch)),
            (Job::Fetching, Event::Done) => (Job::Staging, Some(Action::Stage)),
            (Job::Staging, Event::Done) => (Job::Committing, Some(Action::Commit)),
            (Job::Committing, Event::Done) => (Job::Scanning, Some(Action::Scan)),
            (Job::Scanning | Job::Verifying, Event::Done) => (Job::Verifying, Some(Action::Verify)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_come_in_order_and_a_failure_ends_them() {
        let (mut job, first) = Job::begin();
        let mut steps = vec![first.step()];
        loop {
            let event = match job {
                Job::Verifying => Event::Verified { manifest: Digest::of(b"x") },
                _ => Event::Done,
            };
            let (next, action) = job.step(event);
            job = next;
            match action {
                Some(action) => steps.push(action.step()),
                None => break,
            }
        }
        assert_eq!(steps, Step::ALL);
        let (job, action) = Job::Fetching.step(Event::Failed(vec![]));
        assert!(matches!(job, Job::Done(Verdict::Failed { .. })));
        assert!(matches!(action, Some(Action::Report(_))));
    }
}
