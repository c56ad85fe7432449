//! What makes a commit into the files of one gateway, and back: lossless JSON edits, signatures of
//! resources, normalisation, mappings, the inverse, and the checks of `millctl lint`.
//!
//! Everything here is a function of its arguments: no I/O, clock, randomness or threads that outlive
//! a call, so every coordinator and every `millctl` gets the same bytes.

pub mod jq;
pub mod json_edit;
pub mod lint;
pub mod mask;
#[warn(clippy::wildcard_enum_match_arm)]
pub mod normalize;
#[warn(clippy::wildcard_enum_match_arm)]
pub mod render;
#[warn(clippy::wildcard_enum_match_arm)]
pub mod resource_json;
#[warn(clippy::wildcard_enum_match_arm)]
pub mod signature;
#[warn(clippy::wildcard_enum_match_arm)]
pub mod spec;
pub mod unrender;
