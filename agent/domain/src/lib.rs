//! Every decision of the agent, pure: which steps an assignment takes, which paths it touches, whose
//! sessions count, which node may be written, what the evidence after a scan means, what comes back
//! after a crash. No file, clock or network is touched here.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod beside;
pub mod changes;
pub mod drift;
pub mod job;
pub mod journal;
pub mod lock;
pub mod preflight;
pub mod projects;
pub mod redundancy;
pub mod retention;
pub mod sessions;
pub mod stamps;
pub mod verdict;
pub mod window;
