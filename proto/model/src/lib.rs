//! The nouns of Millwright: ids, digests, paths, manifests, reports and the resource kinds, valid
//! once constructed, and the pure rules that coordinators, agents and `millctl` must agree on.
//!
//! No I/O, clock or randomness: those are inputs.

pub mod amount;
pub mod assignment;
pub mod audit;
pub mod digest;
pub mod facts;
pub mod gate;
pub mod generation;
pub mod glob;
pub mod id;
pub mod instruction;
pub mod manifest;
pub mod path;
pub mod policy;
pub mod report;
pub mod resource;
pub mod selector;
pub mod size;
pub mod template;
pub mod time;
pub mod window;
pub mod words;
