//! Becoming an operator with a join token, and staying one: the private key is made here and stays
//! here; only a request to sign it travels.

use std::sync::Arc;

use millwright_certs::{
    identity::Identity, key, store::CredentialStore, tls::pinned_client_config, token::JoinToken,
};
use millwright_proto::agent::{
    EnrolRequest, RenewRequest, enrolment_service_client::EnrolmentServiceClient,
};

use super::dial;
use crate::error::{Error, Kind, Result, chain};

/// What a token bought.
#[derive(Debug)]
pub struct Bought {
    /// Key and certificate.
    pub store: CredentialStore,
    /// API addresses of all coordinators.
    pub coordinators: Vec<String>,
}

/// The client of the first address that answers with a certificate under the pinned CA.
async fn service(
    addresses: &[String],
    pin: [u8; 32],
) -> Result<EnrolmentServiceClient<tonic::transport::Channel>> {
    let mut last = Error::new(Kind::Usage, "no coordinator was named");
    for address in addresses {
        let tls = pinned_client_config(pin);
        match dial::channel(address, Arc::new(move || Arc::clone(&tls))).await {
            Ok(channel) => return Ok(EnrolmentServiceClient::new(channel)),
            Err(error) => last = error,
        }
    }
    last.message = format!("no coordinator can be reached: {}", last.message);
    Err(last)
}

fn unusable(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Error, format!("the cluster's answer is not usable: {}", chain(error)))
}

/// Spends a token of role operator.
pub async fn buy(addresses: &[String], token: &JoinToken, name: &str) -> Result<Bought> {
    let failed = |error: key::KeyFailed| Error::new(Kind::Error, error.to_string());
    let key = key::generate().map_err(failed)?;
    let request = EnrolRequest {
        token: token.reveal(),
        csr_der: key::csr_der(&key).map_err(failed)?,
        name: name.to_owned(),
        member: String::new(),
    };
    let answer =
        service(addresses, *token.ca_fingerprint()).await?.enrol(request).await?.into_inner();
    let store = CredentialStore::new(&answer.ca_pem, &answer.certificate_pem, &key.serialize_pem())
        .map_err(|error| unusable(&error))?;
    if store.ca_fingerprint() != *token.ca_fingerprint() {
        let message = "the cluster answered with another CA than the token's";
        return Err(Error::new(Kind::Denied, message));
    }
    if !matches!(store.identity(), Identity::Operator { .. }) {
        let message = format!("the token made {}, which is no operator", store.identity());
        return Err(Error::new(Kind::Usage, message)
            .hint("make one for an operator: millctl token create operator NAME"));
    }
    Ok(Bought { store, coordinators: answer.coordinators })
}

/// Fetches a fresh certificate for the same key and puts it to use. Works with an ended certificate
/// too: it is the key that counts.
pub async fn renew(addresses: &[String], store: &CredentialStore) -> Result<()> {
    let csr_der = store.csr_der().map_err(|error| unusable(&error))?;
    let request = RenewRequest { csr_der, identity: store.identity().to_string() };
    let mut service = service(addresses, store.ca_fingerprint()).await?;
    let answer = service.renew(request).await?.into_inner();
    store.publish(&answer.certificate_pem).map_err(|error| unusable(&error))
}
