//! A viewer's TCP connection for the framework. The framework's own type with buffers exists only inside its accept
//! loop, which does not count TLS handshakes and allows each a minute.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Bytes that are buffered before they are sent: a header and the little that follows it.
const WRITE_BUFFER: usize = 1460;

/// A connection of a viewer.
#[derive(Debug)]
pub(super) struct Socket {
    stream: BufWriter<TcpStream>,
    /// Bytes that were read too early, to be read first.
    ahead: Vec<u8>,
    digest: Arc<SocketDigest>,
    established: SystemTime,
    /// How long the viewer may accept no data.
    write_timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, write_timeout: Duration) -> Self {
        let digest = Arc::new(digest(&stream, peer));
        let stream = BufWriter::with_capacity(WRITE_BUFFER, stream);
        Self { stream, ahead: Vec::new(), digest, established: SystemTime::now(), write_timeout, stall: None }
    }

    /// The local address of the connection.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().local_addr()
    }

    /// Reads up to `max` bytes at once. Zero means that the other side has closed.
    pub(super) async fn read_some(&mut self, bytes: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        (&mut *self).take(max as u64).read_buf(bytes).await
    }

    /// Puts back bytes that were read too early.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead.splice(..0, bytes.iter().copied());
    }

    /// Passes on the result of a write. Fails if the other side has accepted no data for too long.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stall = None;
            return sent;
        }
        let write_timeout = self.write_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        stall.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "no data accepted in time")))
    }

    /// Replaces the peer's address.
    pub(super) fn set_peer(&mut self, peer: SocketAddr) {
        self.digest = Arc::new(digest(self.stream.get_ref(), peer));
    }
}

fn digest(stream: &TcpStream, peer: SocketAddr) -> SocketDigest {
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let _ = digest.peer_addr.set(Some(peer.into())); // it is new, so not set yet
    digest
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.ahead.len().min(buffer.remaining());
        let rest = self.ahead.split_off(count);
        buffer.put_slice(&self.ahead);
        self.ahead = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, sent)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stalled(cx, sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.unless_stalled(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_stalled(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Sends buffered bytes of an answer if that does not block.
        let _ = Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(Waker::noop()));
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await; // the other side may have closed before
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().as_raw_fd()
    }
}

impl Ssl for Socket {}

impl Peek for Socket {}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.established, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.digest.clone())
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.digest = Arc::new(digest);
    }
}
