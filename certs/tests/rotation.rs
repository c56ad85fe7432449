//! A certificate that is published counts for the next handshake of servers and clients that run
//! already, and an expired one is refused on either side in words.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use millwright_certs::{
    ca::Ca,
    connect::{self, Connector, Counts},
    identity::Identity,
    key,
    refusal::Refusal,
    store::{ClientAuth, CredentialStore},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinSet};
use tower_service::Service;

const LIFE: Duration = Duration::from_mins(10);

/// Credentials whose certificate was signed at `signed`, and what signs the next one.
struct Party {
    store: CredentialStore,
    identity: Identity,
}

impl Party {
    fn new(ca: &Ca, identity: &str, signed: SystemTime) -> Self {
        let identity: Identity = identity.parse().expect("an identity");
        let key = key::generate().expect("a key");
        let csr = key::csr_der(&key).expect("a request");
        let issued = ca.sign(&csr, &identity, LIFE, signed).expect("signed");
        let store = CredentialStore::new(ca.cert_pem(), &issued.cert_pem, &key.serialize_pem());
        Self { store: store.expect("usable"), identity }
    }

    fn renew(&self, ca: &Ca) {
        let csr = self.store.csr_der().expect("a request");
        let issued = ca.sign(&csr, &self.identity, LIFE, SystemTime::now()).expect("signed");
        self.store.publish(&issued.cert_pem).expect("it fits the key");
    }
}

/// A server that speaks first, as ours do; returns its address.
async fn serve(store: &CredentialStore, tasks: &mut JoinSet<()>, counts: &Counts) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tls = store.server_config(ClientAuth::Required);
    let incoming = connect::accept(listener, Arc::new(move || Arc::clone(&tls)), counts.clone());
    tasks.spawn(async move {
        let mut incoming = std::pin::pin!(incoming);
        while let Some(Ok(mut stream)) = incoming.next().await {
            // The client may have gone.
            let _gone = stream.write_all(b"hello").await;
        }
    });
    address
}

async fn connect(connector: &Connector, address: &str) -> io::Result<()> {
    let uri = format!("http://{address}").parse().expect("a URI");
    connector.clone().call(uri).await.map(drop)
}

#[tokio::test]
async fn a_published_certificate_counts_for_what_runs_already() {
    millwright_certs::install_crypto_provider();
    let ca = Ca::new(&"c1".parse().expect("an id")).expect("an authority");
    let long_ago = SystemTime::now() - 3 * LIFE;
    let server = Party::new(&ca, "spiffe://c1/coordinator/n1", long_ago);
    let client = Party::new(&ca, "spiffe://c1/agent/gw1/single", long_ago);
    let (mut tasks, counts) = (JoinSet::new(), Counts::default());
    let address = serve(&server.store, &mut tasks, &counts).await;
    // Made once: what it shows and believes comes from the stores with each connection.
    let tls = client.store.client_config();
    let connector = Connector::new(Arc::new(move || Arc::clone(&tls)));

    let error = connect(&connector, &address).await.expect_err("the server's has expired");
    assert!(error.to_string().contains("expired"), "{error}");
    assert!(server.store.renewal_due(SystemTime::now()));
    server.renew(&ca);
    assert!(!server.store.renewal_due(SystemTime::now()));
    let error = connect(&connector, &address).await.expect_err("the client's has expired");
    assert_eq!(Refusal::behind(&error), Some(Refusal::Expired), "{error}");
    client.renew(&ca);
    connect(&connector, &address).await.expect("both are valid");
    assert_eq!((counts.accepted(), counts.refused()), (1, 2));
}

#[tokio::test]
async fn a_certificate_of_another_key_or_identity_is_not_published() {
    let ca = Ca::new(&"c1".parse().expect("an id")).expect("an authority");
    let now = SystemTime::now();
    let ours = Party::new(&ca, "spiffe://c1/agent/gw1/single", now);
    let other = Party::new(&ca, "spiffe://c1/agent/gw1/single", now);
    let before = ours.store.cert_pem();
    assert!(ours.store.publish(&other.store.cert_pem()).is_err(), "another key");
    let csr = ours.store.csr_der().expect("a request");
    let renamed: Identity = "spiffe://c1/agent/gw2/single".parse().expect("an identity");
    let issued = ca.sign(&csr, &renamed, LIFE, now).expect("signed");
    let error = ours.store.publish(&issued.cert_pem).expect_err("another identity");
    assert!(error.to_string().contains("the new certificate is for"), "{error}");
    assert_eq!(ours.store.cert_pem(), before);
}
