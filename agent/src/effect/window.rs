//! Whether windows let the change be written now. They are those of the newest word of a coordinator:
//! a freeze that was put while the job went on counts too.

use millwright_agent_domain::{
    job::Event,
    lock::hold_s,
    window::{Gate, Question, decide, may_begin, overrun},
};
use millwright_model::{assignment::Assignment, report::Failure, time::Span, window::Window};

use super::{Tools, Work, failed, number};
use crate::gateway::Version;

/// Looks once, before people are waited for.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    match look(tools, work) {
        Ok(()) => Event::Done,
        Err(event) => event,
    }
}

/// Looks once; the event that ends the action when it may not be written.
pub fn look(tools: &Tools, work: &Work) -> Result<(), Event> {
    match ask(tools, &work.assignment, takes(tools, work), work.was_allowed) {
        Gate::Open => Ok(()),
        Gate::Closed(closed) => Err(Event::Closed(closed)),
        Gate::Refused(failure) => Err(failed(failure)),
    }
}

/// What windows say of an assignment that takes so long.
pub fn ask(tools: &Tools, assignment: &Assignment, takes: Span, was_allowed: bool) -> Gate {
    decide(&Question {
        windows: &windows(tools, assignment),
        begun: assignment.begun,
        now: tools.now(),
        coordinator: tools.coordinator_time.borrow().map(|time| time.now()),
        skew_max: tools.config.gateway.clock_skew,
        takes,
        was_allowed,
    })
}

/// Whether windows let it begin now, by the agent's clock alone.
pub fn allow(tools: &Tools, assignment: &Assignment) -> bool {
    may_begin(&windows(tools, assignment), assignment.begun, tools.now())
}

/// What people should know of a change that ends now.
pub fn overran(tools: &Tools, assignment: &Assignment) -> Option<Failure> {
    overrun(&windows(tools, assignment), assignment.begun, tools.now())
}

/// Whether any window binds an assignment.
pub fn bind(assignment: &Assignment) -> bool {
    !assignment.windows.is_empty() && assignment.begun.origin().is_some()
}

fn windows(tools: &Tools, assignment: &Assignment) -> Vec<Window> {
    let newest = tools.newest.borrow();
    let same = |newest: &&Assignment| number(newest) == number(assignment);
    newest.as_ref().filter(same).unwrap_or(assignment).windows.clone()
}

/// The longest that it is expected to take from the lock on: what is asked for as a hold covers commit and
/// scan twice.
fn takes(tools: &Tools, work: &Work) -> Span {
    let held: u64 = work.locks.values().map(|held| held.asked_s).sum();
    let hold = match held {
        0 => hold_s(work.plan.changes.paths().count(), 0),
        held => held,
    };
    let own_scan = match work.plan.version {
        Version::V81 => tools.config.gateway.own_scan_period,
        Version::V83 => Span(0),
    };
    let settle = work.assignment.policies.verify.settle;
    Span(hold * 1_000 + own_scan.0 + settle.0)
}
