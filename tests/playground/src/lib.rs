//! A whole company on loopback: a git server, three coordinators, simulated gateways with an agent
//! each, all real processes with real TLS and real files. For people to try, and for tests.

mod acts;
pub mod cluster;
pub mod company;
pub mod gitserver;
pub mod output;
pub mod plant;
pub mod process;
pub mod repository;
pub mod story;
pub mod verify;
pub mod wait;
