//! Work that windows hold back is put aside and begun again when they let it. Meanwhile a newer
//! assignment takes its place, instructions are carried out, and the process may end: what is put aside is
//! on disk like everything in hand.

use std::time::Duration;

use millwright_agent_domain::window::{Closed, Gate};
use millwright_model::{
    assignment::Assignment,
    facts::Waiting,
    time::{Span, Timestamp},
};
use tokio::time::Instant;

use super::{Runner, order};
use crate::effect::{Tools, Work, window};

/// The longest time between two looks: clocks are set, and nobody tells.
const LOOK: Duration = Duration::from_mins(1);

/// What is put aside.
#[derive(Debug)]
pub struct Aside {
    assignment: Assignment,
    takes: Span,
    look_at: Instant,
}

/// When the next look is due: no earlier than what is known to change, and no later than the longest time.
fn next_look(tools: &Tools, until: Option<Timestamp>) -> Instant {
    let left = until.map_or(LOOK, |until| Duration::from_millis(until.since(tools.now()).0));
    // Not right before a window opens.
    Instant::now() + left.min(LOOK) + Duration::from_millis(1)
}

impl Runner {
    /// Puts work aside, and tells of it.
    pub(super) fn put_aside(&mut self, assignment: Assignment, closed: Closed) {
        let Closed { message, until, takes } = closed;
        let generation = assignment.generation;
        let look_at = next_look(&self.tools, until);
        self.aside = Some(Aside { assignment, takes, look_at });
        let now = self.tools.now();
        self.waiting.send_if_modified(|known| {
            let before = known.as_ref().filter(|known| known.generation == generation);
            let since = before.map_or(now, |before| before.since);
            let waiting = Some(Waiting { generation, message, since, until });
            let news = *known != waiting;
            if news {
                let why = waiting.as_ref().map(|waiting| waiting.message.as_str());
                tracing::info!(generation = generation.0, why, "put aside");
            }
            *known = waiting;
            news
        });
    }

    /// When to look again at what is put aside; never while nothing is.
    pub(super) async fn due(look_at: Option<Instant>) {
        match look_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// When the next look is due.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.aside.as_ref().map(|aside| aside.look_at)
    }

    /// Looks again, and begins again when windows let it, or when the clock must be told of.
    pub(super) async fn look_again(&mut self) -> anyhow::Result<()> {
        let Some(Aside { assignment, takes, .. }) = self.aside.take() else { return Ok(()) };
        match window::ask(&self.tools, &assignment, takes, false) {
            Gate::Closed(closed) => {
                self.put_aside(assignment, closed);
                Ok(())
            }
            Gate::Open | Gate::Refused(_) => self.apply(assignment).await,
        }
    }

    /// Whether this is what is put aside, said once more: its windows may be others now.
    pub(super) fn is_aside(&mut self, assignment: &Assignment) -> anyhow::Result<bool> {
        let Some(aside) = &mut self.aside else { return Ok(false) };
        if aside.assignment.generation == assignment.generation {
            aside.look_at = Instant::now();
        }
        if order(&aside.assignment) != order(assignment) {
            return Ok(false);
        }
        self.tools.state.keep_in_hand(Some(assignment))?;
        aside.assignment.clone_from(assignment);
        Ok(true)
    }

    /// Forgets what is put aside: something newer takes its place.
    pub(super) fn drop_aside(&mut self) -> anyhow::Result<()> {
        if let Some(aside) = self.aside.take() {
            tracing::info!(generation = aside.assignment.generation.0, "replaced while put aside");
            self.journal.clear()?;
            self.not_waiting();
        }
        Ok(())
    }

    /// Nothing is put aside any more.
    pub(super) fn not_waiting(&self) {
        self.waiting.send_if_modified(|known| known.take().is_some());
    }

    /// Whether windows bind it, and whether they let it begin now.
    pub(super) fn windows_of(&self, work: &mut Work) -> bool {
        work.was_allowed = window::allow(&self.tools, &work.assignment);
        window::bind(&work.assignment)
    }
}
