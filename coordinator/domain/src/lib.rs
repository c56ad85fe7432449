//! Every decision of the coordinator, pure: what a command does to the state, what a rollout does
//! next, what a gateway's files are, what people see. No clock, randomness, network or disk.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod access;
mod apply;
pub mod assignment;
pub mod command;
pub mod render;
pub mod rollout;
pub mod state;
pub mod view;
pub mod why;

pub use self::state::{State, Touched};
