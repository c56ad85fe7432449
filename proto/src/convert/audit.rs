//! Entries of the audit. Nothing is cut or mended here: a hash covers it.

use millwright_model::{
    audit::{Entry, Outcome},
    digest::Digest,
    time::Timestamp,
};

use super::InvalidMessage;
use crate::control;

impl From<&Entry> for control::AuditEntry {
    fn from(entry: &Entry) -> Self {
        let Entry {
            format,
            index,
            log_index,
            at,
            who,
            from,
            what,
            kind,
            name,
            why,
            before,
            after,
            fields,
            outcome,
            message,
            hash,
        } = entry.clone();
        Self {
            format,
            index,
            log_index,
            at_ms: at.0,
            who,
            from,
            what,
            kind,
            name,
            why,
            before,
            after,
            fields,
            outcome: outcome.as_str().to_owned(),
            message,
            hash: hash.0.to_vec(),
        }
    }
}

impl TryFrom<control::AuditEntry> for Entry {
    type Error = InvalidMessage;

    fn try_from(wire: control::AuditEntry) -> Result<Self, Self::Error> {
        let control::AuditEntry {
            format,
            index,
            log_index,
            at_ms,
            who,
            from,
            what,
            kind,
            name,
            why,
            before,
            after,
            fields,
            outcome,
            message,
            hash,
        } = wire;
        Ok(Self {
            format,
            index,
            log_index,
            at: Timestamp(at_ms),
            who,
            from,
            what,
            kind,
            name,
            why,
            before,
            after,
            fields,
            outcome: Outcome::parse(&outcome).ok_or(InvalidMessage::Missing("outcome"))?,
            message,
            hash: Digest::from_slice(&hash)?,
        })
    }
}
