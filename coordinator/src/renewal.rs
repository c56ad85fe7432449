//! Keeps this node's own certificate fresh. The node holds the cluster key, so it signs for itself;
//! what it publishes is used by the next handshake of every server and client, nothing restarts.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use millwright_certs::{ca::Ca, seal};

use crate::{api::enrol::CA_KEY_CONTEXT, node::Shared};

/// Before the first look: a node that starts has the state to sign with by then.
const FIRST_LOOK: Duration = Duration::from_millis(500);
/// Times in certificates are whole seconds.
const WHOLE_SECOND: Duration = Duration::from_secs(1);

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    let mut wait = FIRST_LOOK;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => return,
        }
        wait = shared.store.refresh_in(SystemTime::now());
        if !due(&shared, SystemTime::now()) {
            continue;
        }
        match renew(&shared) {
            Ok(()) => {
                tracing::info!("renewed this node's certificate");
                wait = shared.store.refresh_in(SystemTime::now());
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "cannot renew this node's certificate; trying again"
            ),
        }
    }
}

/// Renews now, before anybody is served, when that is due: a node that slept past the end of its
/// certificate would be believed by nobody. A node that has no state yet cannot sign.
pub fn at_start(shared: &Shared) {
    if !shared.consensus.state().state.is_founded() || !due(shared, SystemTime::now()) {
        return;
    }
    match renew(shared) {
        Ok(()) => tracing::info!("renewed this node's certificate before it is used"),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            "cannot renew this node's certificate; trying again later"
        ),
    }
}

/// Due at two thirds of its life, and at once when it lives longer than the configuration says now.
fn due(shared: &Shared, now: SystemTime) -> bool {
    let store = &shared.store;
    let life = shared.config.certificates.life_of(store.identity());
    store.renewal_due(now) || store.expires_at() > now + life + WHOLE_SECOND
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
