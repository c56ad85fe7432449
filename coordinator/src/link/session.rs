//! What to do about each thing that happens on a stream: pure, so that it is tested without one.
//! The task only obtains events and carries out what this returns.

use std::collections::BTreeSet;

use millwright_model::{
    assignment::Assignment,
    facts::GatewayFacts,
    generation::{Epoch, Generation},
    instruction::{Answer, Instruction},
    report::{Phase, Report},
    window::Window,
};

/// What orders assignments: a newer one replaces an older one.
pub type Order = (Epoch, Generation, u32);

/// Something that happened on the stream.
#[derive(Debug)]
pub enum Event {
    /// The agent introduced itself.
    Hello {
        /// Newest generation that it has dealt with.
        handled: Order,
        /// What it sees of its gateway.
        facts: GatewayFacts,
    },
    /// A heartbeat.
    Heartbeat(u64),
    /// A report.
    Reported(Report),
    /// Facts about the gateway.
    Facts(GatewayFacts),
    /// The agent has written an assignment down.
    Received(Epoch, Generation),
    /// What became of an instruction.
    Answered(Answer),
    /// Open instructions, looked up because there may be new ones.
    Instructions(Vec<Instruction>),
    /// The cluster does not know of this agent, though it could.
    Unannounced,
    /// The desired state, looked up because it may have changed.
    Desired(Option<Assignment>),
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send the assignment.
    Assign(Assignment),
    /// Acknowledge a heartbeat.
    Beat(u64),
    /// Put a report into the log; it is acknowledged once it is there.
    Record(Report),
    /// Acknowledge a report that need not be in the log.
    Acknowledge(Report),
    /// Tell the cluster of the agent and its gateway.
    Announce(GatewayFacts),
    /// The agent has taken over this generation.
    Taken(Generation),
    /// Send an instruction.
    Instruct(Instruction),
    /// Put an answer into the log.
    RecordAnswer(Answer),
}

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Session {
    greeted: bool,
    sent: Option<Order>,
    /// Windows that were sent with it; none are known of what it has handled before.
    windows: Vec<Window>,
    instructed: BTreeSet<String>,
    facts: GatewayFacts,
}

impl Session {
    /// Answers one event.
    #[must_use]
    pub fn step(&mut self, event: Event) -> Vec<Output> {
        match event {
            Event::Hello { handled, facts } => {
                self.greeted = true;
                // What it has handled need not be sent again; a report it still owes comes from
                // its own queue.
                self.sent = (handled.1 > Generation(0)).then_some(handled);
                self.windows.clear();
                self.facts = facts.clone();
                vec![Output::Announce(facts)]
            }
            Event::Unannounced if !self.greeted => Vec::new(),
            Event::Unannounced => vec![Output::Announce(self.facts.clone())],
            Event::Heartbeat(sequence) => vec![Output::Beat(sequence)],
            Event::Reported(report) => match report.phase {
                // Steps in between are progress, not history.
                Phase::Running { .. } => vec![Output::Acknowledge(report)],
                Phase::Applied { .. }
                | Phase::Failed { .. }
                | Phase::RolledBack { .. }
                | Phase::Inconsistent { .. } => vec![Output::Record(report)],
            },
            Event::Facts(facts) if facts == self.facts => Vec::new(),
            Event::Facts(facts) => {
                self.facts = facts.clone();
                vec![Output::Announce(facts)]
            }
            Event::Received(_, generation) => vec![Output::Taken(generation)],
            Event::Desired(None) => Vec::new(),
            Event::Desired(Some(assignment)) => self.desired(assignment),
            Event::Answered(answer) => vec![Output::RecordAnswer(answer)],
            Event::Instructions(open) => self.instructions(open),
        }
    }

    fn instructions(&mut self, open: Vec<Instruction>) -> Vec<Output> {
        if !self.greeted {
            return Vec::new();
        }
        // Each once on this stream; an agent that lost it says hello again.
        open.into_iter()
            .filter(|one| self.instructed.insert(one.id.clone()))
            .map(Output::Instruct)
            .collect()
    }

    fn desired(&mut self, assignment: Assignment) -> Vec<Output> {
        let wanted = (assignment.epoch, assignment.generation, assignment.attempt);
        // The same with other windows is told too: the agent may wait for one, or put drift back later.
        let known = match self.sent {
            Some(sent) if sent == wanted => self.windows == assignment.windows,
            sent => sent > Some(wanted),
        };
        if !self.greeted || known {
            return Vec::new();
        }
        self.sent = Some(wanted);
        self.windows.clone_from(&assignment.windows);
        vec![Output::Assign(assignment)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_came_before_its_gateway_is_announced_again() {
        let mut session = Session::default();
        assert!(session.step(Event::Unannounced).is_empty(), "nobody has said hello yet");
        let facts = GatewayFacts { state: "RUNNING".to_owned(), ..GatewayFacts::default() };
        let handled = (Epoch(1), Generation(0), 0);
        let said = session.step(Event::Hello { handled, facts: facts.clone() });
        assert_eq!(said, [Output::Announce(facts.clone())]);
        assert_eq!(session.step(Event::Unannounced), [Output::Announce(facts)]);
    }
}
