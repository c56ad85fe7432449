//! Tests of the whole: real processes, rules about the code itself, and fleets in memory, which are the
//! pure coordinator with made-up agents, clocks and networks.

pub mod script;
pub mod sim;
pub mod world;
