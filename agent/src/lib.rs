//! The agent: stays connected to a coordinator, applies what it is assigned to the gateway beside it,
//! and tells what became of it. What it decides is in `millwright-agent-domain`; here is what carries
//! the decisions out.

pub mod agent;
pub mod allocator;
pub mod backup;
pub mod cli;
pub mod config;
pub mod connect;
pub mod drift;
pub mod edge;
pub mod effect;
pub mod enrol;
pub mod faults;
pub mod frames;
pub mod fs;
pub mod gateway;
pub mod instruct;
pub mod journal;
pub mod local;
pub mod plan;
pub mod runner;
pub mod secret;
pub mod snapshot;
pub mod state;
