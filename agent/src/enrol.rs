//! First contact: a join token buys the signing of one certificate request. The key is made here and
//! never leaves.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use millwright_certs::{
    connect::Connector, key, store::CredentialStore, tls::pinned_client_config, token::JoinToken,
};
use millwright_proto::{
    agent::{EnrolRequest, enrolment_service_client::EnrolmentServiceClient},
    hint,
};
use tonic::transport::Endpoint;

use crate::config;

/// What `enrol` is told.
#[derive(Debug)]
pub struct Request<'a> {
    /// Folder of the agent; created.
    pub dir: &'a Path,
    /// Name of the gateway.
    pub gateway: &'a str,
    /// single, master or backup.
    pub member: &'a str,
    /// The token.
    pub token: &'a JoinToken,
    /// API addresses to try.
    pub coordinators: &'a [String],
    /// Data directory of the gateway.
    pub data_dir: &'a Path,
    /// Its web server.
    pub url: &'a str,
    /// File with its API token.
    pub token_file: &'a Path,
}

/// Buys an identity from any coordinator; returns it with the addresses of all coordinators.
pub async fn buy(
    coordinators: &[String],
    token: &JoinToken,
    name: &str,
    member: &str,
) -> anyhow::Result<(CredentialStore, Vec<String>)> {
    let key = key::generate()?;
    let mut last = String::from("no coordinator is named");
    for address in coordinators {
        let tls = pinned_client_config(*token.ca_fingerprint());
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_with_connector(Connector::new(Arc::new(move || Arc::clone(&tls))))
            .await;
        let channel = match channel {
            Ok(channel) => channel,
            Err(error) => {
                last = format!("{address}: {:#}", anyhow::Error::new(error));
                continue;
            }
        };
        let request = EnrolRequest {
            token: token.reveal(),
            csr_der: key::csr_der(&key)?,
            name: name.to_owned(),
            member: member.to_owned(),
        };
        let answer = match EnrolmentServiceClient::new(channel).enrol(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == tonic::Code::Unavailable => {
                last = format!("{address}: {}", status.message());
                continue;
            }
            // Another coordinator would say the same.
            Err(status) => bail!("the cluster refused: {}", hint::told(&status)),
        };
        let store =
            CredentialStore::new(&answer.ca_pem, &answer.certificate_pem, &key.serialize_pem())?;
        return Ok((store, answer.coordinators));
    }
    bail!("cannot reach a coordinator: {last}")
}

/// Enrols and writes the agent's folder.
pub async fn enrol(request: Request<'_>) -> anyhow::Result<()> {
    let Request { dir, gateway, member, token, coordinators, data_dir, url, token_file } = request;
    if dir.join("agent.toml").exists() {
        bail!("{} holds an agent already", dir.display());
    }
    let data_dir = std::path::absolute(data_dir)?;
    if !data_dir.is_dir() {
        bail!("the data directory {} does not exist", data_dir.display());
    }
    let (store, known) = buy(coordinators, token, gateway, member).await?;
    store.save_dir(&dir.join("identity"))?;
    let known = if known.is_empty() { coordinators.to_vec() } else { known };
    let text = config::template(&known, &data_dir, url, &std::path::absolute(token_file)?);
    std::fs::write(dir.join("agent.toml"), text)
        .with_context(|| format!("cannot write {}", dir.join("agent.toml").display()))?;
    tracing::info!(identity = %store.identity(), "enrolled");
    Ok(())
}
