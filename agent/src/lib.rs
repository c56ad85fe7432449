//! The agent: stands beside one gateway, dials out to the coordinators, and keeps the gateway's
//! files at the commit it is told. What to do is decided in `millwright-agent-domain`.

pub mod cli;
pub mod config;
pub mod connect;
pub mod effect;
pub mod enrol;
pub mod fs;
pub mod gateway;
pub mod runner;
pub mod state;
