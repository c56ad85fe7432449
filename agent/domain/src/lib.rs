//! Every decision of the agent, pure: which steps an assignment takes and which paths it touches.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod changes;
pub mod job;
