//! Connections to coordinators that count every byte on their TCP stream, TLS included.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Bytes of all connections that share it. Headers of TCP and IP are not in it.
#[derive(Debug, Default)]
pub struct Wire {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Wire {
    /// Bytes in both directions so far.
    pub fn total(&self) -> u64 {
        self.sent.load(Ordering::Relaxed) + self.received.load(Ordering::Relaxed)
    }
}

/// A TCP stream that counts.
#[derive(Debug)]
pub struct Counting {
    inner: TcpStream,
    wire: Arc<Wire>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let count = buf.filled().len() - before;
        self.wire.received.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.wire.sent.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// As the agent's own connector, counting.
#[derive(Debug, Clone)]
pub struct CountingConnector {
    /// TLS of the agent.
    pub tls: Arc<ClientConfig>,
    /// Where bytes are counted.
    pub wire: Arc<Wire>,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TlsStream<Counting>>>> + Send>>;

impl tower_service::Service<http::Uri> for CountingConnector {
    type Response = TokioIo<TlsStream<Counting>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let (tls, wire) = (Arc::clone(&self.tls), Arc::clone(&self.wire));
        Box::pin(async move {
            let address = uri.authority().map(ToString::to_string).unwrap_or_default();
            let inner = TcpStream::connect(address).await?;
            inner.set_nodelay(true)?;
            let name = ServerName::try_from("coordinator.millwright").map_err(io::Error::other)?;
            let stream = TlsConnector::from(tls).connect(name, Counting { inner, wire }).await?;
            Ok(TokioIo::new(stream))
        })
    }
}
