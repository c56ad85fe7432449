//! Whether windows let a change be written now: the second look, by the agent's own clock. The coordinator
//! has looked when it assigned; the assignment may have come late, or people may have been waited for
//! until the window closed.
//!
//! The evaluator is the one of everybody. Added here is what only the agent can say: whether the change,
//! as large as it is, ends before windows without overrun close, and whether its clock can be trusted.

use millwright_model::{
    assignment::Begun,
    report::{Failure, FailureKind, Retry, Step},
    resource::Strings,
    time::{Span, Timestamp},
    window::{Evaluation, Window, evaluate},
};
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'w> {
    /// Windows that mean this gateway.
    pub windows: &'w [Window],
    /// Who began the work.
    pub begun: Begun,
    /// The agent's clock.
    pub now: Timestamp,
    /// A coordinator's clock at the same moment; nothing until one has told.
    pub coordinator: Option<Timestamp>,
    /// How far the two may be apart.
    pub skew_max: Span,
    /// The longest that the change is expected to take from now on.
    pub takes: Span,
    /// Whether windows let it begin when the agent began with it.
    pub was_allowed: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may be written.
    Open,
    /// Not now.
    Closed(Closed),
    /// Nobody can tell.
    Refused(Failure),
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// For people.
    pub message: String,
    /// When that may change by itself, if that is known.
    pub until: Option<Timestamp>,
    /// The longest that the change was expected to take.
    pub takes: Span,
}

/// Decides.
pub fn decide(question: &Question<'_>) -> Gate {
    let Question { windows, begun, now, takes, .. } = *question;
    let Some(origin) = begun.origin().filter(|_| !windows.is_empty()) else { return Gate::Open };
    if let Some(gate) = clock(question) {
        return gate;
    }
    let closed = |message, evaluation: &Evaluation| {
        Gate::Closed(Closed { message, until: evaluation.next_change, takes })
    };
    let present = look(windows, now);
    if !present.may_go_on(origin, question.was_allowed) {
        return closed(present.to_string(), &present);
    }
    // What is expected to end in a window that does not let it overrun is not begun.
    let end = look(windows, now.plus(takes));
    match end.may_go_on(origin, true) {
        true => Gate::Open,
        false => closed(format!("it may take {takes}, and is then {end}"), &end),
    }
}

/// Whether windows let work begin.
pub fn may_begin(windows: &[Window], begun: Begun, now: Timestamp) -> bool {
    begun.origin().is_none_or(|origin| look(windows, now).may_begin(origin))
}

/// What people should know of a change that was written and ended now.
pub fn overrun(windows: &[Window], begun: Begun, now: Timestamp) -> Option<Failure> {
    let present = look(windows, now);
    let origin = begun.origin().filter(|origin| !present.may_begin(*origin))?;
    let message = match origin {
        millwright_model::window::Origin::Automatic => format!("it ended {present}"),
        millwright_model::window::Origin::ByHand => format!("it ended, begun by hand, {present}"),
    };
    Some(Failure::new(Step::Window, FailureKind::WindowOverrun, message).retry(Retry::Never))
}

/// The windows have been selected already.
fn look(windows: &[Window], now: Timestamp) -> Evaluation {
    evaluate(windows, &Strings::new(), now)
}

/// What keeps the clock from being trusted.
fn clock(question: &Question<'_>) -> Option<Gate> {
    let Question { now, coordinator, skew_max, takes, .. } = *question;
    let Some(theirs) = coordinator else {
        let message = "no coordinator has told its time yet".to_owned();
        return Some(Gate::Closed(Closed { message, until: None, takes }));
    };
    let apart = Span(now.0.abs_diff(theirs.0));
    if apart <= skew_max {
        return None;
    }
    let side = if now > theirs { "ahead of" } else { "behind" };
    let message = format!(
        "the clock here is {apart} {side} the coordinator's, more than {skew_max}: nobody can tell whether a window is open"
    );
    let remedy = "set the clocks of both machines by the same source, then millctl gateway retry";
    let failure = Failure::new(Step::Window, FailureKind::ClockSkew, message);
    Some(Gate::Refused(failure.remedy(remedy).retry(Retry::Later)))
}

#[cfg(test)]
mod tests;
