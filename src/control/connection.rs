//! Connections of the control port. Limits keep slow clients from holding the file descriptors and memory that the
//! gateway shares.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Control;
use crate::config::Limits;
use crate::net::{ConnectionLimiter, OpenConnection, accept};
use crate::telemetry::Metrics;

/// Maximum buffered bytes of a request head; the last read may add about as much again. `/authz` itself refuses heads
/// longer than `limits.header_bytes`.
const MAX_HEADER: usize = 400 << 10;

/// The control port's state that all connections share.
pub(super) struct Port {
    control: Control,
    service: TowerToHyperService<Router>,
    limiter: Arc<ConnectionLimiter>,
}

impl Port {
    pub(super) fn new(control: Control, router: Router) -> Arc<Self> {
        Arc::new(Self { control, service: TowerToHyperService::new(router), limiter: Arc::default() })
    }

    /// Serves `listener` until `stop` resolves, then finishes the requests in flight.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
        let (closing, open_ones) = watch::channel(());
        tokio::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = &mut stop => break,
            };
            match self.limiter.try_open(self.control.settings().control.connections) {
                Some(open) => {
                    tokio::spawn(self.clone().connection(open, stream, peer, open_ones.clone()));
                }
                None => self.refuse("too_many"),
            }
        }
        drop((listener, open_ones));
        let _ = closing.send(()); // there may be no connection
        closing.closed().await;
    }

    async fn connection(
        self: Arc<Self>,
        _open: OpenConnection,
        stream: TcpStream,
        peer: SocketAddr,
        mut closing: watch::Receiver<()>,
    ) {
        let metrics = self.control.admission.metrics.clone();
        let _shown = Shown::new(&metrics);
        let limits = self.control.settings().limits.clone();
        let activity = Arc::new(Activity::new());
        let stream = TokioIo::new(Watched { stream, activity: activity.clone() });
        let service = service_fn(|request| self.answer(request, peer, &activity, &limits));
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_buf_size(MAX_HEADER);
        let connection = server.serve_connection(stream, service);
        tokio::pin!(connection);
        let mut stops = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if ended.is_err_and(|error| error.is_timeout()) {
                        self.refuse("slow_header");
                    }
                    return;
                }
                _ = closing.changed(), if !stops => stops = true,
                verdict = activity.watch(&limits), if !stops => match verdict {
                    Verdict::Idle => stops = true,
                    Verdict::Stalled => return self.refuse("stalled"),
                },
                () = sleep(limits.write_timeout), if stops => return,
            }
            if stops {
                connection.as_mut().graceful_shutdown();
            }
        }
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
        activity: &Arc<Activity>,
        limits: &Limits,
    ) -> Result<Response, Infallible> {
        let _serving = Serving::new(activity);
        let metrics = &self.control.admission.metrics;
        let mut request = request.map(|body| timed(body, limits.body_timeout, metrics));
        request.extensions_mut().insert(ConnectInfo(peer));
        self.service.call(request).await
    }

    fn refuse(&self, reason: &str) {
        self.control.admission.metrics.control_connections_refused.with_label_values(&[reason]).inc();
    }
}

/// Counts an open connection in the metrics.
struct Shown<'a>(&'a Metrics);

impl<'a> Shown<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.control_connections.inc();
        Self(metrics)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.control_connections.dec();
    }
}

// -------------------------------------------------------------------------------------------------------------- activity

struct Activity(Mutex<State>);

struct State {
    /// When bytes were last read or written.
    moved: Instant,
    /// The client does not read the response.
    blocked: bool,
    /// A request is in flight.
    serving: bool,
}

enum Verdict {
    /// No request for `keep_alive`.
    Idle,
    /// No response bytes accepted for `write_timeout`.
    Stalled,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(State { moved: Instant::now(), blocked: false, serving: false }))
    }

    fn moved(&self, blocked: Option<bool>) {
        let mut state = self.0.lock();
        state.moved = Instant::now();
        state.blocked = blocked.unwrap_or(state.blocked);
    }

    fn blocked(&self) {
        self.0.lock().blocked = true;
    }

    /// Waits until the connection should be closed.
    async fn watch(&self, limits: &Limits) -> Verdict {
        loop {
            let (since, most, verdict) = {
                let state = self.0.lock();
                match (state.blocked, state.serving) {
                    (true, _) => (state.moved, limits.write_timeout, Some(Verdict::Stalled)),
                    (false, true) => (Instant::now(), limits.keep_alive, None),
                    (false, false) => (state.moved, limits.keep_alive, Some(Verdict::Idle)),
                }
            };
            match verdict {
                Some(verdict) if since.elapsed() >= most => return verdict,
                // The state may have changed by then.
                _ => sleep_until((since + most).min(Instant::now() + limits.write_timeout)).await,
            }
        }
    }
}

/// Marks a request in flight.
struct Serving<'a>(&'a Activity);

impl<'a> Serving<'a> {
    fn new(activity: &'a Activity) -> Self {
        activity.0.lock().serving = true;
        Self(activity)
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        (state.serving, state.moved) = (false, Instant::now());
    }
}

/// A stream that records its activity.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.activity.moved(None);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&written);
        written
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
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Watched {
    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(_) => self.activity.moved(Some(false)),
            Poll::Pending => self.activity.blocked(),
        }
    }
}

// ------------------------------------------------------------------------------------------------------------------ body

/// A request body that fails when it takes too long.
struct Timed {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    metrics: Arc<Metrics>,
}

fn timed(body: Incoming, timeout: Duration, metrics: &Arc<Metrics>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed { body, deadline: Box::pin(sleep(timeout)), metrics: metrics.clone() })
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        self.metrics.control_connections_refused.with_label_values(&["slow_body"]).inc();
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the request body timed out").into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
