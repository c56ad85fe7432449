//! The states of a job, one after the other.

use super::*;

fn walk(mode: Mode, mut answer: impl FnMut(&State) -> Event) -> Vec<Step> {
    let mut job = Job::begin(mode, Policies::default());
    let mut action = job.state.action();
    let mut steps = Vec::new();
    while let Some(now) = action {
        steps.push(now.step());
        let event = answer(&job.state);
        (job, action) = job.step(event);
    }
    steps
}

fn usual(state: &State) -> Event {
    let manifest = Digest::of(b"m");
    match state {
        State::Staging => Event::Staged { manifest },
        State::Verifying => Event::Verified { manifest },
        State::Restoring { .. } => Event::Restored { kept: vec![] },
        State::Preflight
        | State::Fetching
        | State::WaitingForSessions
        | State::Snapshotting
        | State::Locking
        | State::Committing
        | State::Scanning
        | State::Finalizing(_)
        | State::Reporting(_)
        | State::Ended => Event::Done,
    }
}

fn failing(kind: FailureKind, at: fn(&State) -> bool) -> impl FnMut(&State) -> Event {
    move |state| match at(state) {
        true => Event::Failed(vec![Failure::new(Step::Scan, kind, "x")]),
        false => usual(state),
    }
}

#[test]
fn an_apply_takes_every_step_in_order() {
    use Step::{
        Commit, Fetch, Finalize, Lock, Preflight, Report, Scan, Sessions, Snapshot, Stage, Verify,
    };
    assert_eq!(
        walk(Mode::Apply, usual),
        [Preflight, Fetch, Stage, Sessions, Snapshot, Lock, Commit, Scan, Verify, Finalize, Report]
    );
    assert_eq!(walk(Mode::DryRun, usual), [Preflight, Fetch, Stage, Report]);
}

#[test]
fn nothing_is_restored_before_the_commit_and_everything_after_it() {
    let before: [fn(&State) -> bool; 6] = [
        |s| *s == State::Preflight,
        |s| *s == State::Fetching,
        |s| *s == State::Staging,
        |s| *s == State::WaitingForSessions,
        |s| *s == State::Snapshotting,
        |s| *s == State::Locking,
    ];
    for at in before {
        let steps = walk(Mode::Apply, failing(FailureKind::Internal, at));
        assert!(!steps.contains(&Step::Restore) && !steps.contains(&Step::Commit), "{steps:?}");
    }
    let after: [fn(&State) -> bool; 3] =
        [|s| *s == State::Committing, |s| *s == State::Scanning, |s| *s == State::Verifying];
    for at in after {
        let steps = walk(Mode::Apply, failing(FailureKind::ScanFailed, at));
        assert_eq!(steps[steps.len() - 2..], [Step::Restore, Step::Report], "{steps:?}");
    }
}

#[test]
fn an_edit_made_meanwhile_is_kept() {
    let steps =
        walk(Mode::Apply, failing(FailureKind::ChangedUnderneath, |s| *s == State::Verifying));
    assert!(!steps.contains(&Step::Restore), "{steps:?}");
}

#[test]
fn each_cause_of_a_rollback_can_be_switched_off() {
    for (kind, off) in [
        (FailureKind::ScanTimeout, 0),
        (FailureKind::NotLoaded, 1),
        (FailureKind::Unhealthy, 2),
        (FailureKind::ProbeFailed, 3),
    ] {
        for switched in [false, true] {
            let mut policies = Policies::default();
            let rollback = &mut policies.rollback;
            let switch = [
                &mut rollback.on_scan_failure,
                &mut rollback.on_not_loaded,
                &mut rollback.on_unhealthy,
                &mut rollback.on_probe_failure,
            ];
            if switched {
                *switch.into_iter().nth(off).expect("four switches") = false;
            }
            let job = Job { mode: Mode::Apply, policies, state: State::Verifying };
            let failure = Failure::new(Step::Verify, kind, "x");
            let (job, _) = job.step(Event::Failed(vec![failure]));
            let restoring = matches!(job.state, State::Restoring { .. });
            assert_eq!(restoring, !switched, "{kind}");
        }
    }
}

#[test]
fn an_abort_stops_before_the_commit_and_finishes_after_it() {
    let why = Failure::new(Step::Fetch, FailureKind::Internal, "by ops");
    let abort = |state: State| {
        let job = Job { mode: Mode::Apply, policies: Policies::default(), state };
        job.step(Event::Aborted { why: why.clone() }).0.state
    };
    assert!(matches!(abort(State::Locking), State::Reporting(Verdict::Failed { .. })));
    assert_eq!(abort(State::Committing), State::Scanning);
    assert_eq!(abort(State::Scanning), State::Verifying);
}
