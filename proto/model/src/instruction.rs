//! What one agent is asked to do beside its assignment, once, and its answer. Unlike an assignment it
//! changes nothing that the gateway should run.

use crate::{
    assignment::Assignment,
    id::{GatewayName, Member},
    words::words,
};

words!(
    /// What is asked.
    InstructionKind, "instruction", {
        /// What an assignment would change, without changing it.
        DryRun = "dry_run",
        /// Take a snapshot.
        SnapshotCreate = "snapshot_create",
        /// Read a snapshot back and compare.
        SnapshotVerify = "snapshot_verify",
        /// Keep a snapshot whatever its age.
        SnapshotPin = "snapshot_pin",
        /// Keep it no longer than others.
        SnapshotUnpin = "snapshot_unpin",
        /// Compare the whole tree now.
        DriftCheck = "drift_check",
        /// Ask the pair for a synchronisation; to a master.
        Resync = "resync",
    }
);

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Tells it from others; the same one is carried out once.
    pub id: String,
    /// What.
    pub kind: InstructionKind,
    /// A snapshot's id, where one is meant.
    pub subject: String,
    /// Why, in a person's words.
    pub reason: String,
    /// With a dry run: of what.
    pub assignment: Option<Assignment>,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of which instruction.
    pub id: String,
    /// By whom.
    pub gateway: GatewayName,
    /// Which node of it.
    pub member: Member,
    /// Whether it was done.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// Details as JSON text; empty for none.
    pub detail: String,
}
