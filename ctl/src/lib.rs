//! `millctl`: asks any coordinator, shows what it says. It decides nothing about the fleet.

pub mod cli;
pub mod client;
pub mod command;
pub mod complete;
pub mod confirm;
pub mod context;
pub mod error;
pub mod follow;
pub mod output;
pub mod program;
pub mod since;
pub mod view;
