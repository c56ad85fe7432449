//! TLS connections for gRPC: a connector for clients, a stream of accepted connections for servers.
//! Handshakes are bounded in time and number, so that a peer that stalls costs one slot, not all.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tonic::transport::server::Connected;

use crate::{identity::Identity, refusal, tls::cert_key_digest};

/// A peer that takes longer for its handshake is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at a time: 1,000 agents that come back together wait their turn.
const HANDSHAKES_MAX: usize = 128;

/// Yields the newest TLS settings for a new connection.
pub type Provider<T> = Arc<dyn Fn() -> Arc<T> + Send + Sync>;

/// Opens TLS connections to coordinators, for `Endpoint::connect_with_connector`. The endpoint's
/// scheme must be `http`: with `https` the gRPC library would insist on its own TLS.
#[derive(Clone)]
pub struct Connector {
    provider: Provider<ClientConfig>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Asks `provider` for the settings of each connection.
    pub fn new(provider: Provider<ClientConfig>) -> Self {
        Self { provider }
    }
}

/// A connection to a coordinator that has let us in.
#[derive(Debug)]
pub struct ClientStream {
    stream: client::TlsStream<TcpStream>,
    /// What the coordinator said first, not read yet.
    first: Vec<u8>,
}

impl ClientStream {
    /// In TLS 1.3 a client is done before the server has judged its certificate. The server speaks
    /// first (HTTP/2 settings), so its first bytes tell that we are in, and its refusal arrives
    /// before we send anything that could cross it.
    async fn let_in(mut stream: client::TlsStream<TcpStream>) -> io::Result<Self> {
        let mut first = vec![0; 256];
        let read = stream.read(&mut first).await.map_err(refusal::explained)?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the coordinator closed the connection at once",
            ));
        }
        first.truncate(read);
        Ok(Self { stream, first })
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf).map_err(refusal::explained);
        }
        let taken = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..taken]);
        self.first.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<ClientStream>>> + Send>>;

impl tower_service::Service<http::Uri> for Connector {
    type Response = TokioIo<ClientStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let config = (self.provider)();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().unwrap_or(443);
            let tcp = TcpStream::connect((host.as_str(), port)).await?;
            tcp.set_nodelay(true)?;
            // Not checked: a coordinator is believed for its identity. It only must be present.
            let name = ServerName::try_from("coordinator.millwright").map_err(io::Error::other)?;
            let handshake = async {
                let stream = TlsConnector::from(config).connect(name, tcp).await;
                ClientStream::let_in(stream.map_err(refusal::explained)?).await
            };
            let stream =
                tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| {
                    io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake stalled")
                })??;
            Ok(TokioIo::new(stream))
        })
    }
}

/// A client that showed a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its identity.
    pub identity: Identity,
    /// SHA-256 of its public key.
    pub spki_digest: [u8; 32],
}

/// What services learn about a connection, as a request extension.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// `None` when the client showed no certificate.
    pub peer: Option<Peer>,
    /// Where it calls from.
    pub addr: SocketAddr,
}

/// An accepted connection after its handshake.
#[derive(Debug)]
pub struct ServerStream {
    stream: server::TlsStream<TcpStream>,
    info: PeerInfo,
}

impl ServerStream {
    /// The client, if it showed a certificate.
    pub fn peer(&self) -> Option<&Peer> {
        self.info.peer.as_ref()
    }
}

impl Connected for ServerStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn handshake(
    tcp: TcpStream,
    addr: SocketAddr,
    config: Arc<ServerConfig>,
) -> io::Result<ServerStream> {
    tcp.set_nodelay(true)?;
    let accepting = TlsAcceptor::from(config).accept(tcp);
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake stalled"))??;
    let (_, session) = stream.get_ref();
    let peer = session.peer_certificates().and_then(|chain| chain.first()).and_then(|leaf| {
        // The verifier has read both already; a failure here means no identity.
        let identity = Identity::from_cert_der(leaf).ok()?;
        Some(Peer { identity, spki_digest: cert_key_digest(leaf)? })
    });
    Ok(ServerStream { stream, info: PeerInfo { peer, addr } })
}

/// How many connections a port has seen since the process began. Cheap to clone; clones count
/// together.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    inner: Arc<(AtomicU64, AtomicU64)>,
}

impl Counts {
    /// Connections after a successful handshake.
    pub fn accepted(&self) -> u64 {
        self.inner.0.load(Ordering::Relaxed)
    }

    /// Handshakes that failed.
    pub fn refused(&self) -> u64 {
        self.inner.1.load(Ordering::Relaxed)
    }
}

/// Accepted connections. A handshake that fails is counted, logged and dropped: it is the peer's
/// fault.
pub fn accept(
    listener: TcpListener,
    provider: Provider<ServerConfig>,
    counts: Counts,
) -> impl Stream<Item = io::Result<ServerStream>> {
    let state = (listener, FuturesUnordered::new(), provider, counts);
    futures_util::stream::unfold(state, |(listener, mut pending, provider, counts)| async move {
        loop {
            tokio::select! {
                Some((addr, done)) = pending.next() => match done {
                    Ok(stream) => {
                        counts.inner.0.fetch_add(1, Ordering::Relaxed);
                        return Some((Ok(stream), (listener, pending, provider, counts)));
                    }
                    Err(error) => {
                        let error: io::Error = error;
                        counts.inner.1.fetch_add(1, Ordering::Relaxed);
                        tracing::info!(%addr, %error, "refused a connection");
                    }
                },
                accepted = listener.accept(), if pending.len() < HANDSHAKES_MAX => match accepted {
                    Ok((tcp, addr)) => {
                        let config = provider();
                        pending.push(async move { (addr, handshake(tcp, addr, config).await) });
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: wait for some to be freed.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    })
}
