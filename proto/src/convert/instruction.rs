//! Instructions and answers. An answer's sender is known by its stream, not by the message.

use millwright_model::{
    id::{GatewayName, Member},
    instruction::{Answer, Instruction},
};

use super::{InvalidMessage, TEXT_BYTES_MAX, bounded};
use crate::agent;

/// Longest detail of an answer: the names of some thousand changed files.
const DETAIL_BYTES_MAX: usize = 256 << 10;

impl From<Instruction> for agent::Instruction {
    fn from(instruction: Instruction) -> Self {
        let Instruction { id, kind, subject, reason, assignment } = instruction;
        Self { id, kind: kind.to_string(), subject, reason, assignment: assignment.map(Into::into) }
    }
}

impl TryFrom<agent::Instruction> for Instruction {
    type Error = InvalidMessage;

    fn try_from(wire: agent::Instruction) -> Result<Self, Self::Error> {
        let agent::Instruction { id, kind, subject, reason, assignment } = wire;
        Ok(Self {
            id: bounded(id, 64),
            kind: kind.parse()?,
            subject: bounded(subject, 128),
            reason: bounded(reason, TEXT_BYTES_MAX),
            assignment: assignment.map(TryInto::try_into).transpose()?,
        })
    }
}

/// An answer of this agent. A detail that is too long is refused rather than cut: half of a JSON text
/// is none.
pub fn answer(
    wire: agent::Answer,
    gateway: &GatewayName,
    member: Member,
) -> Result<Answer, InvalidMessage> {
    let agent::Answer { id, ok, message, detail } = wire;
    if detail.len() > DETAIL_BYTES_MAX {
        return Err(InvalidMessage::TooLong("the detail of an answer"));
    }
    Ok(Answer {
        id: bounded(id, 64),
        gateway: gateway.clone(),
        member,
        ok,
        message: bounded(message, TEXT_BYTES_MAX),
        detail,
    })
}

/// An answer as it is sent.
pub fn answer_message(answer: Answer) -> agent::Answer {
    let Answer { id, gateway: _, member: _, ok, message, detail } = answer;
    agent::Answer { id, ok, message, detail }
}
