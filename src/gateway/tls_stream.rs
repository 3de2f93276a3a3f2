//! A viewer's TLS connection for the framework. The framework's own type lets the TLS library buffer 64 KiB for a slow
//! viewer, which cannot be configured.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ResolvesServerCert;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as Encrypted;

use super::socket::Socket;

/// Maximum buffered bytes before and after encryption, each. A slow viewer then costs 150 KiB instead of 230 KiB with
/// the library's default.
const BUFFERED: usize = 12 << 10;
/// The name of HTTP/2 in a handshake (RFC 9113 §3.2).
const HTTP_2: &[u8] = b"h2";

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct TlsStream {
    stream: Encrypted<Socket>,
    digest: Arc<SslDigest>,
    established: SystemTime,
}

impl TlsStream {
    /// Performs the handshake.
    ///
    /// # Errors
    /// The other side does not use TLS, requires what is not offered, or closes.
    pub(super) async fn accept(acceptor: &TlsAcceptor, socket: Socket) -> io::Result<Self> {
        let limited = |connection: &mut rustls::ServerConnection| connection.set_buffer_limit(Some(BUFFERED));
        let stream = acceptor.accept_with(socket, limited).await?;
        let (_, connection) = stream.get_ref();
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let version = connection.protocol_version().and_then(|version| version.as_str());
        let digest = SslDigest::new(cipher.unwrap_or_default(), version.unwrap_or_default(), None, None, Vec::new());
        Ok(Self { stream, digest: Arc::new(digest), established: SystemTime::now() })
    }
}

/// The protocols of a listener: TLS 1.2 and 1.3, with HTTP/2 or HTTP/1.1.
///
/// # Errors
/// The TLS library supports neither version.
pub(super) fn acceptor(certificate: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for TlsStream {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await; // the other side may have closed before
    }
}

impl UniqueID for TlsStream {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().0.id()
    }
}

impl Ssl for TlsStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(self.digest.clone())
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        let is_http_2 = self.stream.get_ref().1.alpn_protocol()? == HTTP_2;
        Some(if is_http_2 { ALPN::H2 } else { ALPN::H1 })
    }
}

impl Peek for TlsStream {}

impl GetTimingDigest for TlsStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let mut timing = self.stream.get_ref().0.get_timing_digest();
        timing.push(Some(TimingDigest { established_ts: self.established, ..TimingDigest::default() }));
        timing
    }
}

impl GetProxyDigest for TlsStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for TlsStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_ref().0.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.get_mut().0.set_socket_digest(digest);
    }
}
