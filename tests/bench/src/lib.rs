//! Measures Millwright with real processes on loopback and, where there is one, a peer under the same
//! load in the same run.
//!
//! Every measurement is one JSON object on standard output; people read the summary on standard error.
//! Nothing here decides whether a figure is good enough for a release: goals are printed beside it.

pub mod agent;
pub mod chaos;
pub mod cluster;
pub mod decide;
pub mod etcd;
pub mod failover;
pub mod fanout;
pub mod gitrepo;
pub mod machine;
pub mod operator;
pub mod output;
pub mod raft;
pub mod render;
pub mod rollout;
pub mod scene;
pub mod site;
pub mod snapshot;
pub mod stats;
pub mod sync;
pub mod wire;
