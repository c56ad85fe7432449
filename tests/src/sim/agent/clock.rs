//! The clocks of made-up agents: most are a little off, some are far off. Whether windows let a change be
//! written is decided by the agents' own code, and looked at once more here in other words.

use millwright_agent_domain::window::{Gate, Question, decide, may_begin};
use millwright_model::{
    assignment::Assignment,
    resource::Strings,
    time::{Span, Timestamp},
    window::evaluate,
};
use rand::{Rng, rngs::StdRng};

/// How far a clock may be off: an agent's own default.
const SKEW_MAX: Span = Span(60_000);
/// What writing takes.
const TAKES: Span = Span(20_000);

/// Milliseconds that a clock is ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(i64);

/// What windows say of a change that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Now,
    Later,
    /// Nobody can tell, so it fails.
    Never,
}

impl Clock {
    pub(super) fn some(rng: &mut StdRng) -> Self {
        let most = if rng.random_bool(0.1) { 600_000 } else { 50_000 };
        Self(rng.random_range(-most..=most))
    }

    pub(super) fn right() -> Self {
        Self(0)
    }

    fn at(self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add_signed(self.0))
    }

    pub(super) fn lets_begin(self, assignment: &Assignment, now: Timestamp) -> bool {
        may_begin(&assignment.windows, assignment.begun, self.at(now))
    }

    pub(super) fn lets_write(
        self,
        assignment: &Assignment,
        was_allowed: bool,
        now: Timestamp,
    ) -> Write {
        let question = Question {
            windows: &assignment.windows,
            begun: assignment.begun,
            now: self.at(now),
            coordinator: Some(now),
            skew_max: SKEW_MAX,
            takes: TAKES,
            was_allowed,
        };
        match decide(&question) {
            Gate::Open => Write::Now,
            Gate::Closed(_) => Write::Later,
            Gate::Refused(_) => Write::Never,
        }
    }

    /// Nothing is written outside of windows by the agent's clock, nor by one that is far off.
    pub(super) fn check(
        self,
        assignment: &Assignment,
        was_allowed: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(origin) = assignment.begun.origin().filter(|_| !assignment.windows.is_empty())
        else {
            return Ok(());
        };
        let gateway = &assignment.gateway;
        if self.0.unsigned_abs() > SKEW_MAX.0 {
            return Err(format!("{gateway} writes with a clock that is {} ms off", self.0));
        }
        let evaluation = evaluate(&assignment.windows, &Strings::new(), self.at(now));
        let overruns = was_allowed && assignment.windows.iter().all(|window| window.overrun);
        match evaluation.may_begin(origin) || overruns {
            true => Ok(()),
            false => Err(format!("{gateway} writes though {evaluation}")),
        }
    }
}
