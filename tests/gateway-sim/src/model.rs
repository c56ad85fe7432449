//! What the gateway has in memory: made from the files at a scan, changed by its own saves.
//!
//! Contents of project resources are not kept, only what was known of them at the scan.

pub(crate) mod config;
pub(crate) mod projects;
pub(crate) mod refusal;
pub(crate) mod tags;
