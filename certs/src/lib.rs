//! Identities of the cluster: CA, certificates and their rotation, join tokens, sealed secrets, and
//! the TLS that both ends of every connection use.
//!
//! It decides nothing about who may do what; that is the coordinator's domain.

pub mod ca;
pub mod connect;
pub mod identity;
pub mod key;
pub mod refusal;
pub mod renew;
pub mod seal;
pub mod store;
pub mod tls;
pub mod token;

/// Makes aws-lc-rs the one crypto provider of the process. Repeatable.
pub fn install_crypto_provider() {
    // An error means that it is installed already.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
