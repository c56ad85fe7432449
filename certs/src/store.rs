//! The certificate, key and CA of one process. A new certificate is published here and is used by
//! the next handshake of every running server and client; nothing is restarted.

use std::{
    io,
    path::Path,
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use millwright_model::id::ClusterId;
use rustls::{crypto::aws_lc_rs::sign::any_supported_type, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::parse_x509_certificate;

use crate::{
    identity::{Identity, InvalidIdentity},
    key::{read_private, sha256, write_private},
    renew, tls,
};

/// A certificate, key or CA that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailed {
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate has no identity.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// The material cannot be read or does not fit together.
    #[error("the certificate or key is not usable: {0}")]
    Unusable(String),
}

fn unusable(error: impl std::fmt::Display) -> StoreFailed {
    StoreFailed::Unusable(error.to_string())
}

/// Tells whether an identity with this key has lost its right to connect.
pub type Revocation = Arc<dyn Fn(&Identity, &[u8; 32]) -> bool + Send + Sync>;

pub(crate) struct Current {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) cert_pem: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) ca: CertificateDer<'static>,
    ca_pem: String,
    key_pem: String,
    pub(crate) current: RwLock<Arc<Current>>,
    pub(crate) revocation: RwLock<Option<Revocation>>,
}

/// Credentials of this process. Cheap to clone; clones see what one publishes.
#[derive(Clone)]
pub struct CredentialStore {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialStore({})", self.inner.identity)
    }
}

/// Whether a server asks for a client certificate, and insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate, no connection.
    Required,
    /// None is accepted too; the services behind decide. For enrolment.
    Optional,
}

impl CredentialStore {
    /// From PEM texts.
    pub fn new(ca_pem: &str, cert_pem: &str, key_pem: &str) -> Result<Self, StoreFailed> {
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(unusable)?;
        let (identity, current) = load(cert_pem, key_pem, &ca)?;
        Ok(Self {
            inner: Arc::new(Inner {
                identity,
                ca,
                ca_pem: ca_pem.to_owned(),
                key_pem: key_pem.to_owned(),
                current: RwLock::new(Arc::new(current)),
                revocation: RwLock::new(None),
            }),
        })
    }

    /// Reads `ca.pem`, `cert.pem`, `key.pem` of a folder; the key must be private (0600).
    pub fn load_dir(dir: &Path) -> Result<Self, StoreFailed> {
        let file = |name: &str| {
            let path = dir.join(name);
            let bytes = match name {
                "key.pem" => read_private(&path),
                _ => std::fs::read(&path),
            };
            bytes
                .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
                .map_err(|source| StoreFailed::File { path: path.display().to_string(), source })
        };
        Self::new(&file("ca.pem")?, &file("cert.pem")?, &file("key.pem")?)
    }

    /// Writes the three files, the key first.
    pub fn save_dir(&self, dir: &Path) -> Result<(), StoreFailed> {
        let failed = |source| StoreFailed::File { path: dir.display().to_string(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        write_private(&dir.join("key.pem"), self.inner.key_pem.as_bytes()).map_err(failed)?;
        write_private(&dir.join("ca.pem"), self.inner.ca_pem.as_bytes()).map_err(failed)?;
        write_private(&dir.join("cert.pem"), self.cert_pem().as_bytes()).map_err(failed)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.inner.current.read().expect("nothing panics while holding it"))
    }

    /// Who this process is.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Whose cluster.
    pub fn cluster(&self) -> &ClusterId {
        self.inner.identity.cluster()
    }

    /// The CA, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.inner.ca_pem
    }

    /// SHA-256 of the CA.
    pub fn ca_fingerprint(&self) -> [u8; 32] {
        sha256(&self.inner.ca)
    }

    /// The certificate in use, PEM.
    pub fn cert_pem(&self) -> String {
        self.current().cert_pem.clone()
    }

    /// A new certificate request with the same key.
    pub fn csr_der(&self) -> Result<Vec<u8>, StoreFailed> {
        let key = rcgen::KeyPair::from_pem(&self.inner.key_pem).map_err(unusable)?;
        crate::key::csr_der(&key).map_err(unusable)
    }

    /// End of the certificate in use.
    pub fn expires_at(&self) -> SystemTime {
        self.current().not_after
    }

    /// Whether two thirds of the certificate's life have passed.
    pub fn renewal_due(&self, now: SystemTime) -> bool {
        let current = self.current();
        renew::is_due(current.not_before, current.not_after, now)
    }

    /// How long to wait before looking at the renewal again.
    pub fn refresh_in(&self, now: SystemTime) -> Duration {
        let current = self.current();
        renew::refresh_in(current.not_before, current.not_after, now)
    }

    /// Puts a renewed certificate to use, after checking that it fits the key, the CA and the
    /// identity.
    pub fn publish(&self, cert_pem: &str) -> Result<(), StoreFailed> {
        let (identity, current) = load(cert_pem, &self.inner.key_pem, &self.inner.ca)?;
        if identity != self.inner.identity {
            return Err(unusable(format!("the new certificate is for {identity}")));
        }
        *self.inner.current.write().expect("nothing panics while holding it") = Arc::new(current);
        Ok(())
    }

    /// Sets the question that every handshake with a client certificate asks.
    pub fn set_revocation(&self, revocation: Revocation) {
        *self.inner.revocation.write().expect("nothing panics while holding it") = Some(revocation);
    }

    /// Whether an identity with this key has lost its right to connect, as the question set with
    /// [`CredentialStore::set_revocation`] answers now.
    pub fn revoked(&self, identity: &Identity, key_digest: &[u8; 32]) -> bool {
        let revocation = {
            let revocation = self.inner.revocation.read();
            revocation.expect("nothing panics while holding it").clone()
        };
        revocation.is_some_and(|revoked| revoked(identity, key_digest))
    }

    /// TLS for a server.
    pub fn server_config(&self, auth: ClientAuth) -> Arc<rustls::ServerConfig> {
        tls::server_config(self, auth)
    }

    /// TLS for a client of a coordinator.
    pub fn client_config(&self) -> Arc<rustls::ClientConfig> {
        tls::client_config(self)
    }
}

fn load(
    cert_pem: &str,
    key_pem: &str,
    ca: &CertificateDer<'static>,
) -> Result<(Identity, Current), StoreFailed> {
    let cert = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(unusable)?;
    let identity = Identity::from_cert_der(&cert)?;
    let (_, parsed) = parse_x509_certificate(&cert).map_err(unusable)?;
    let moment = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    };
    let (not_before, not_after) =
        (moment(parsed.validity().not_before), moment(parsed.validity().not_after));
    let signer = any_supported_type(&key).map_err(unusable)?;
    // The CA goes along, so that a newcomer can check it against the fingerprint in its token.
    let key = CertifiedKey::new(vec![cert, ca.clone()], signer);
    key.keys_match().map_err(unusable)?;
    Ok((
        identity,
        Current { key: Arc::new(key), cert_pem: cert_pem.to_owned(), not_before, not_after },
    ))
}
