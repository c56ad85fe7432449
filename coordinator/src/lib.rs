//! The coordinator: the shell around the pure domain. It listens, logs, replicates and carries out;
//! what to do is decided in `millwright-coordinator-domain`.

pub mod api;
pub mod audit;
pub mod change;
pub mod cli;
pub mod config;
pub mod consensus;
pub mod content;
pub mod convert;
pub mod driver;
pub mod edge;
pub mod gate;
pub mod http;
pub mod link;
pub mod node;
pub mod objects;
pub mod peers;
pub mod question;
pub mod readiness;
pub mod renewal;
pub mod secret;
pub mod serve;
pub mod setup;
pub mod source;
