//! The gRPC services: authenticate, convert, propose or read. They decide nothing.

pub mod agent;
pub mod auth;
pub mod control;
pub mod enrol;
pub mod peer;
pub mod status;
