//! TLS 1.3 between the parts. A client believes a server because it is a coordinator of its
//! cluster, not because of a host name; a server believes a client because of its identity, and
//! refuses other clusters and revoked keys in the handshake.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::{
        ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{
    identity::Identity,
    key::sha256,
    store::{ClientAuth, CredentialStore},
};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(ca: &CertificateDer<'static>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).expect("the CA was read as a certificate before");
    Arc::new(roots)
}

fn refused(why: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(
        std::io::Error::other(why),
    ))))
}

/// SHA-256 of the public key in a certificate.
pub(crate) fn cert_key_digest(der: &[u8]) -> Option<[u8; 32]> {
    let (_, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(sha256(cert.public_key().raw))
}

struct NewestCert(CredentialStore);

impl std::fmt::Debug for NewestCert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewestCert")
    }
}

impl NewestCert {
    fn key(&self) -> Arc<CertifiedKey> {
        let current = self.0.inner.current.read().expect("nothing panics while holding it");
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for NewestCert {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for NewestCert {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

pub(crate) fn server_config(store: &CredentialStore, auth: ClientAuth) -> Arc<ServerConfig> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(&store.inner.ca), provider());
    let chain = match auth {
        ClientAuth::Required => builder.build(),
        ClientAuth::Optional => builder.allow_unauthenticated().build(),
    }
    .expect("one root is enough for a verifier");
    let verifier = Arc::new(ClientVerifier { chain, store: store.clone() });
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(NewestCert(store.clone())));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the check of revocations.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

pub(crate) fn client_config(store: &CredentialStore) -> Arc<ClientConfig> {
    let verifier = ServerVerifier {
        trust: Trust::Cluster { roots: roots(&store.inner.ca), own: store.identity().clone() },
        provider: provider(),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(NewestCert(store.clone())));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// TLS for a newcomer that knows only the fingerprint of the CA, from its join token.
pub fn pinned_client_config(ca_fingerprint: [u8; 32]) -> Arc<ClientConfig> {
    let verifier =
        ServerVerifier { trust: Trust::Fingerprint(ca_fingerprint), provider: provider() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[derive(Debug)]
enum Trust {
    Cluster { roots: Arc<RootCertStore>, own: Identity },
    Fingerprint([u8; 32]),
}

#[derive(Debug)]
struct ServerVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let pinned;
        let roots = match &self.trust {
            Trust::Cluster { roots, .. } => roots,
            Trust::Fingerprint(fingerprint) => {
                let ca =
                    chain.iter().find(|cert| sha256(cert) == *fingerprint).ok_or_else(|| {
                        refused("the server belongs to another cluster than the token".to_owned())
                    })?;
                pinned = self::roots(&ca.clone().into_owned());
                &pinned
            }
        };
        let cert = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&cert, roots, &[], now, algorithms)?;
        let identity = Identity::from_cert_der(leaf).map_err(|e| refused(e.to_string()))?;
        if !identity.is_coordinator() {
            return Err(refused(format!("{identity} is no coordinator")));
        }
        match &self.trust {
            Trust::Cluster { own, .. } if own.cluster() != identity.cluster() => {
                Err(refused(format!("{identity} belongs to another cluster")))
            }
            Trust::Cluster { .. } | Trust::Fingerprint(_) => Ok(()),
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf, chain, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    store: CredentialStore,
}

impl std::fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientVerifier")
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Clients send the CA along; it is ours that counts.
        let verified = self.chain.verify_client_cert(leaf, &[], now)?;
        let identity = Identity::from_cert_der(leaf).map_err(|e| refused(e.to_string()))?;
        if identity.cluster() != self.store.cluster() {
            return Err(refused(format!("{identity} belongs to another cluster")));
        }
        let digest = cert_key_digest(leaf)
            .ok_or_else(|| refused("the public key cannot be read".to_owned()))?;
        if self.store.revoked(&identity, &digest) {
            tracing::warn!(%identity, "refused a revoked identity");
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
