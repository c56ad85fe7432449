//! The wire contract: generated code of the `.proto` files and the conversions between wire and model.
//!
//! Generated types stop here and at the edge modules of the shells. Nothing in this crate decides anything.

pub mod codec;
pub mod convert;
pub mod hint;

#[expect(clippy::pedantic, clippy::allow_attributes, unreachable_pub, reason = "generated code")]
mod generated {
    pub mod millwright {
        pub mod common {
            pub mod v1 {
                tonic::include_proto!("millwright.common.v1");
            }
        }
        pub mod agent {
            pub mod v1 {
                tonic::include_proto!("millwright.agent.v1");
            }
        }
        pub mod control {
            pub mod v1 {
                tonic::include_proto!("millwright.control.v1");
            }
        }
        pub mod peer {
            pub mod v1 {
                tonic::include_proto!("millwright.peer.v1");
            }
        }
        pub mod log {
            pub mod v1 {
                tonic::include_proto!("millwright.log.v1");
            }
        }
    }
}

/// What an agent and a coordinator say to each other.
pub use generated::millwright::agent::v1 as agent;
/// Shared messages.
pub use generated::millwright::common::v1 as common;
/// What `millctl` may ask.
pub use generated::millwright::control::v1 as control;
/// What is stored.
pub use generated::millwright::log::v1 as log;
/// What coordinators say to each other.
pub use generated::millwright::peer::v1 as peer;

/// Names alone: the values are nobody's to print.
impl std::fmt::Debug for agent::Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({:?}, {:?})", self.name, self.data.keys())
    }
}

/// The encoded descriptor set, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
