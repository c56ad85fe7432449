//! Keeps this node's own certificate fresh. The node holds the cluster key, so it signs for itself;
//! what it publishes is used by the next handshake of every server and client, nothing restarts.

use std::time::SystemTime;

use anyhow::Context;
use millwright_certs::{ca::Ca, seal};

use crate::{api::enrol::CA_KEY_CONTEXT, node::Shared};

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    loop {
        let wait = shared.store.refresh_in(SystemTime::now());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => return,
        }
        if !shared.store.renewal_due(SystemTime::now()) {
            continue;
        }
        match renew(&shared) {
            Ok(()) => tracing::info!("renewed this node's certificate"),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "cannot renew this node's certificate; trying again"
            ),
        }
    }
}

fn renew(shared: &Shared) -> anyhow::Result<()> {
    let state = shared.consensus.state().state;
    let key = seal::open(&shared.cluster_key, CA_KEY_CONTEXT, state.sealed_ca_key())?;
    let ca = Ca::from_parts(state.ca_pem(), &key)?;
    let identity = shared.store.identity();
    let life = shared.config.certificates.life_of(identity);
    let issued = ca.sign(&shared.store.csr_der()?, identity, life, SystemTime::now())?;
    shared.store.publish(&issued.cert_pem)?;
    shared.store.save_dir(&shared.dir.join("node")).context("it works, but cannot be saved")
}
