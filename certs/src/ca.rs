//! The certificate authority of a cluster. It signs what the coordinator's state has allowed.

use std::time::{Duration, SystemTime};

use millwright_model::id::ClusterId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};

use crate::{
    identity::Identity,
    key::{self, KeyFailed},
};

/// A certificate begins this long before now, so that a machine whose clock is a little behind
/// accepts it.
const BACKDATE: Duration = Duration::from_mins(1);
/// But by no more than this part of its life, so that two thirds of it stay about two thirds.
const BACKDATE_PART: u32 = 20;
/// Life of the CA itself.
const CA_LIFE: Duration = Duration::from_hours(87600);

/// A request or a key that the CA does not take.
#[derive(Debug, thiserror::Error)]
pub enum SignFailed {
    /// The request is damaged, or not signed by its own key.
    #[error("the certificate request is not valid: {0}")]
    Request(String),
    /// The CA cannot sign.
    #[error("the certificate authority cannot sign: {0}")]
    Authority(String),
    /// A key fault.
    #[error(transparent)]
    Key(#[from] KeyFailed),
}

/// A signed certificate.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub cert_pem: String,
    /// SHA-256 of the public key in it.
    pub key_digest: [u8; 32],
}

/// The authority with its key.
pub struct Ca {
    cert_pem: String,
    cert_der: CertificateDer<'static>,
    key: KeyPair,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ca")
    }
}

fn authority(error: impl std::fmt::Display) -> SignFailed {
    SignFailed::Authority(error.to_string())
}

impl Ca {
    /// A new authority.
    pub fn new(cluster: &ClusterId) -> Result<Self, SignFailed> {
        let key = key::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("Millwright {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = SystemTime::now();
        params.not_before = (now - BACKDATE).into();
        params.not_after = (now + CA_LIFE).into();
        let cert = params.self_signed(&key).map_err(authority)?;
        Ok(Self { cert_pem: cert.pem(), cert_der: cert.der().clone(), key })
    }

    /// An authority from its parts.
    pub fn from_parts(cert_pem: &str, key_pkcs8: &[u8]) -> Result<Self, SignFailed> {
        let key = KeyPair::try_from(key_pkcs8).map_err(authority)?;
        let cert_der = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(authority)?;
        Ok(Self { cert_pem: cert_pem.to_owned(), cert_der, key })
    }

    /// The certificate, PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key, PKCS#8. To be sealed before it goes anywhere.
    pub fn key_pkcs8(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    /// SHA-256 of the certificate: what join tokens and contexts pin.
    pub fn fingerprint(&self) -> [u8; 32] {
        key::sha256(&self.cert_der)
    }

    /// Signs the key of a request for an identity; every name in the request is ignored.
    pub fn sign(
        &self,
        csr_der: &[u8],
        identity: &Identity,
        life: Duration,
        now: SystemTime,
    ) -> Result<Issued, SignFailed> {
        let request = parse(csr_der)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let uri = identity.to_string().try_into().map_err(authority)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if identity.is_coordinator() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - BACKDATE.min(life / BACKDATE_PART)).into();
        params.not_after = (now + life).into();
        let issuer = Issuer::from_ca_cert_der(&self.cert_der, &self.key).map_err(authority)?;
        let cert = params.signed_by(&request.public_key, &issuer).map_err(authority)?;
        let key_digest = key::sha256(&request.public_key.subject_public_key_info());
        Ok(Issued { cert_pem: cert.pem(), key_digest })
    }
}

fn parse(csr_der: &[u8]) -> Result<CertificateSigningRequestParams, SignFailed> {
    let der = CertificateSigningRequestDer::from(csr_der);
    CertificateSigningRequestParams::from_der(&der)
        .map_err(|error| SignFailed::Request(error.to_string()))
}

/// SHA-256 of the public key in a request, whose self-signature is checked.
pub fn csr_key_digest(csr_der: &[u8]) -> Result<[u8; 32], SignFailed> {
    Ok(key::sha256(&parse(csr_der)?.public_key.subject_public_key_info()))
}

/// SHA-256 of a certificate in PEM.
pub fn fingerprint_of_pem(cert_pem: &str) -> Result<[u8; 32], SignFailed> {
    let der = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(authority)?;
    Ok(key::sha256(&der))
}
