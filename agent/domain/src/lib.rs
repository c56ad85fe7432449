//! Every decision of the agent, pure: which steps an assignment takes and which paths it touches.

pub mod changes;
pub mod job;
