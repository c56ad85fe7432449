//! The states of a job, one after the other.

use millwright_model::{report::Step, time::Span};

use super::*;

fn walk(mode: Mode, answer: impl FnMut(&State) -> Event) -> Vec<Step> {
    steps_of(Job::begin(mode, Policies::default(), false), answer)
}

fn steps_of(mut job: Job, mut answer: impl FnMut(&State) -> Event) -> Vec<Step> {
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
        | State::AskingWindows
        | State::WaitingForWindow(_)
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
            let job = Job {
                policies,
                state: State::Verifying,
                ..Job::begin(Mode::Apply, Policies::default(), false)
            };
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
        let job = Job { state, ..Job::begin(Mode::Apply, Policies::default(), false) };
        job.step(Event::Aborted { why: why.clone() }).0.state
    };
    assert!(matches!(abort(State::Locking), State::Reporting(Verdict::Failed { .. })));
    assert_eq!(abort(State::Committing), State::Scanning);
    assert_eq!(abort(State::Scanning), State::Verifying);
}

fn closed() -> Closed {
    Closed { message: "outside of night".into(), until: None, takes: Span(10_000) }
}

#[test]
fn windows_are_asked_before_people_are_waited_for() {
    let job = |mode| Job::begin(mode, Policies::default(), true);
    let steps = steps_of(job(Mode::Apply), usual);
    assert_eq!(steps[2..6], [Step::Stage, Step::Window, Step::Sessions, Step::Snapshot]);
    assert!(!steps_of(job(Mode::DryRun), usual).contains(&Step::Window));
}

#[test]
fn a_job_is_put_aside_at_both_places_and_begins_again() {
    let at: [fn(&State) -> bool; 2] = [|s| *s == State::AskingWindows, |s| *s == State::Locking];
    for at in at {
        let job = Job::begin(Mode::Apply, Policies::default(), true);
        let mut last = Step::Report;
        let mut job = job;
        while let Some(action) = job.state.action() {
            last = action.step();
            let event = if at(&job.state) { Event::Closed(closed()) } else { usual(&job.state) };
            (job, _) = job.step(event);
        }
        assert!(matches!(last, Step::Window | Step::Lock), "{last}");
        assert_eq!(job.state, State::WaitingForWindow(closed()));
        assert!(!job.state.is_past_commit_point());
        let (job, action) = job.step(Event::Done);
        assert_eq!((job.state, action), (State::Preflight, Some(Action::Preflight)));
    }
}

#[test]
fn a_window_that_closes_after_the_commit_stops_nothing() {
    for (state, next) in [
        (State::Committing, State::Scanning),
        (State::Scanning, State::Verifying),
        (State::Verifying, State::Verifying),
    ] {
        let job = Job { state, ..Job::begin(Mode::Apply, Policies::default(), true) };
        assert_eq!(job.step(Event::Closed(closed())).0.state, next);
    }
}
