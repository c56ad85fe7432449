//! What is on disk before each action, and what a restart makes of it: continue, restore, or begin
//! again. Reading and writing the file is the shell's.

use millwright_model::{
    digest::Digest,
    generation::{Epoch, Generation},
    report::{Failure, FailureKind, Step},
};
use serde::{Deserialize, Serialize};

use crate::job::{Mode, State};

/// Crashes of one job after which it is given up: something in it kills the process.
pub const CRASHES_MAX: u32 = 5;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// A job begins.
    Began {
        /// Of which life of the cluster.
        epoch: Epoch,
        /// Of which assignment.
        generation: Generation,
        /// Which try.
        attempt: u32,
        /// How far it goes.
        mode: Mode,
    },
    /// A state is entered: its action may have begun.
    Entered(State),
    /// What the commit will do is on disk, under this digest.
    Planned {
        /// Of the plan's bytes.
        plan: Digest,
    },
    /// The process came back after a crash.
    Recovered,
}

/// What to do with what was in hand when the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing was in hand.
    Nothing,
    /// Nothing was changed yet: from the start.
    Again,
    /// On in this state, with the plan that is on disk.
    Continue(State),
    /// Undo the half-done commit, then from the start.
    UndoThenAgain {
        /// Why.
        cause: Vec<Failure>,
    },
}

/// What the records mean. Records after a damaged one are not there: each was on disk before its
/// action began, so what is missing did not happen.
pub fn recover(records: &[Record]) -> Recovery {
    let last = records.iter().rev().find_map(|record| match record {
        Record::Entered(state) => Some(state),
        Record::Began { .. } | Record::Planned { .. } | Record::Recovered => None,
    });
    let crashes = crashes(records);
    let too_often = crashes >= CRASHES_MAX;
    let began = records.iter().any(|record| matches!(record, Record::Began { .. }));
    let Some(last) = last else {
        return if began { Recovery::Again } else { Recovery::Nothing };
    };
    let crashed = |step| {
        let message = format!("the agent ended unexpectedly in this step, {crashes} times before");
        vec![Failure::new(step, FailureKind::Crashed, message)]
    };
    match last {
        State::Ended => Recovery::Nothing,
        State::Preflight
        | State::Fetching
        | State::Staging
        | State::AskingWindows
        | State::WaitingForWindow(_)
        | State::WaitingForSessions
        | State::Snapshotting
        | State::Locking => match too_often {
            true => Recovery::Continue(State::Reporting(crate::job::Verdict::Failed {
                failures: crashed(Step::Preflight),
            })),
            false => Recovery::Again,
        },
        // Half of the renames may be there: no scan has run since the first of them.
        State::Committing => match too_often {
            true => Recovery::Continue(State::Restoring { cause: crashed(Step::Commit) }),
            false => Recovery::UndoThenAgain { cause: crashed(Step::Commit) },
        },
        // What the scan before the crash said is lost with the process: another one says it again.
        State::Verifying => Recovery::Continue(State::Scanning),
        // The new files are complete: read them, remember them.
        State::Scanning | State::Finalizing(_) | State::Restoring { .. } | State::Reporting(_) => {
            Recovery::Continue(last.clone())
        }
    }
}

/// How often the process ended in the middle. Who restarts it while a job is put aside, for hours perhaps,
/// has not ended it in anything.
fn crashes(records: &[Record]) -> u32 {
    let (mut crashes, mut aside) = (0, false);
    for record in records {
        match record {
            Record::Entered(state) => aside = matches!(state, State::WaitingForWindow(_)),
            Record::Recovered => crashes += u32::from(!aside),
            Record::Began { .. } | Record::Planned { .. } => {}
        }
    }
    crashes
}

#[cfg(test)]
mod tests {
    use millwright_model::time::Span;

    use super::*;
    use crate::{job::Verdict, window::Closed};

    fn began() -> Record {
        Record::Began { epoch: Epoch(1), generation: Generation(3), attempt: 1, mode: Mode::Apply }
    }

    fn after(states: &[State]) -> Recovery {
        let mut records = vec![began()];
        records.extend(states.iter().cloned().map(Record::Entered));
        recover(&records)
    }

    #[test]
    fn each_state_has_its_recovery() {
        assert_eq!(recover(&[]), Recovery::Nothing);
        assert_eq!(after(&[]), Recovery::Again);
        for early in [
            State::Preflight,
            State::Fetching,
            State::Staging,
            State::AskingWindows,
            State::WaitingForSessions,
            State::Snapshotting,
            State::Locking,
        ] {
            assert_eq!(after(&[early]), Recovery::Again);
        }
        assert!(matches!(after(&[State::Committing]), Recovery::UndoThenAgain { .. }));
        let verdict = Verdict::Applied { manifest: Digest::of(b"m") };
        for late in [
            State::Scanning,
            State::Finalizing(verdict.clone()),
            State::Restoring { cause: vec![] },
            State::Reporting(verdict),
        ] {
            assert_eq!(after(std::slice::from_ref(&late)), Recovery::Continue(late));
        }
        assert_eq!(after(&[State::Verifying]), Recovery::Continue(State::Scanning));
        assert_eq!(
            after(&[State::Reporting(Verdict::Failed { failures: vec![] }), State::Ended]),
            Recovery::Nothing
        );
    }

    #[test]
    fn restarts_while_it_is_put_aside_are_no_crashes() {
        let closed = Closed { message: "outside of night".into(), until: None, takes: Span(1) };
        let waiting = Record::Entered(State::WaitingForWindow(closed));
        let mut records = vec![began(), waiting.clone()];
        for _ in 0..CRASHES_MAX * 2 {
            assert_eq!(recover(&records), Recovery::Again);
            records.extend([Record::Recovered, Record::Entered(State::Preflight), waiting.clone()]);
        }
        records.push(Record::Entered(State::Committing));
        assert!(matches!(recover(&records), Recovery::UndoThenAgain { .. }));
        // In the middle of what follows each of them counts.
        for _ in 0..CRASHES_MAX {
            records.extend([Record::Recovered, Record::Entered(State::Committing)]);
        }
        assert!(matches!(recover(&records), Recovery::Continue(State::Restoring { .. })));
    }

    #[test]
    fn what_kills_the_agent_again_and_again_is_given_up_and_undone() {
        let mut records = vec![began(), Record::Entered(State::Committing)];
        for _ in 0..CRASHES_MAX {
            assert!(matches!(recover(&records), Recovery::UndoThenAgain { .. }));
            records.push(Record::Recovered);
            records.push(Record::Entered(State::Committing));
        }
        assert!(matches!(recover(&records), Recovery::Continue(State::Restoring { .. })));
    }
}
