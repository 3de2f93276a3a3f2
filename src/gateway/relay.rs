//! Relays a request to the origin and the answer to the viewer, piece by piece.
//!
//! The framework's own loop reads ahead of the viewer: its two queues hold half a MiB for each viewer who does not
//! read. This one reads no more before the viewer has taken the last piece.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HOST, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::authority::validate_request_authority;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::compression::ResponseCompressionCtx;
use pingora::protocols::http::v1::client::HttpSession as Http1;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::time::Instant;

use super::Gateway;
use super::coding::Coding;
use super::context::Context;
use super::held_response::{Held, Until};
use super::manifest::BodyRewriter;
use super::proxy::cut_off;
use super::upstream_request::strip_hop_by_hop;
use crate::admission::Problem;

type Result<T> = pingora::Result<T>;

/// Maximum attempts at an origin.
const ATTEMPTS: usize = 2;
/// Bytes of an answer that are sent at once. The write timeout applies to each such piece.
const PIECE: usize = 32 << 10;
/// The same if they are changed or copied, as with HTTP/2: the default size of its frames.
const QUEUED: usize = 16 << 10;
/// Maximum bytes of an answer that are sent together with its header.
const TOGETHER: usize = 8 << 10;
/// Bytes of a request's body after which its timeout restarts. After the complete answer, up to as many are read and
/// discarded, so that the viewer can read the answer.
const RENEWED: usize = 1 << 20;

impl Gateway {
    /// Relays a request to the origin. Retries on another server if one did not take it.
    ///
    /// # Errors
    /// The origin did not answer, or the viewer left. The viewer got no answer or an incomplete one.
    pub(super) async fn relay(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(error) = self.attempt(session, ctx).await else { return Ok(()) };
            // A request that must be repeated because of the answer's first bytes has one more attempt. A sent body is
            // not kept.
            let most = ATTEMPTS + usize::from(ctx.belied.is_some());
            if attempts >= most || !error.retry() || session.as_downstream().body_bytes_read() > 0 {
                return Err(error);
            }
            tracing::debug!(request = format_args!("{:016x}", ctx.arrival.id), %error, "retrying at the origin");
        }
    }

    async fn attempt(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let peer = self.upstream_peer(session, ctx).await?;
        let (upstream, reused) = match self.connector.get_http_session(&*peer).await {
            Ok(connected) => connected,
            Err(mut error) => {
                error.as_up();
                return Err(self.fail_to_connect(session, &peer, ctx, error).into_up());
            }
        };
        let HttpSession::H1(mut upstream) = upstream else {
            return Error::e_explain(ErrorType::InternalError, "origin connection is not HTTP/1.1");
        };
        match self.exchange(session, &mut upstream, &peer, ctx).await {
            Ok(true) => {
                let idle = peer.options.idle_timeout;
                self.connector.release_http_session(HttpSession::H1(upstream), &*peer, idle).await;
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => Err(self.error_while_proxy(&peer, session, error, ctx, reused)),
        }
    }

    /// Sends the request and relays the answer. Returns true if the origin's connection can be reused.
    async fn exchange(
        &self,
        session: &mut Session,
        upstream: &mut Http1,
        peer: &HttpPeer,
        ctx: &mut Context,
    ) -> Result<bool> {
        upstream.read_timeout = peer.options.read_timeout;
        upstream.write_timeout = peer.options.write_timeout;
        let request = self.request(session, ctx).await?;
        upstream.write_request_header(Box::new(request)).await.map_err(Error::into_up)?;
        let mut body = RequestBody::new(session.as_mut().is_body_done(), ctx.settings().limits.body_timeout);
        if body.read {
            finish(upstream).await.map_err(Error::into_up)?;
        }
        let (mut headed, mut answered) = (false, false);
        let mut held = Held::default();
        while !answered || !body.read {
            let began = Instant::now();
            tokio::select! {
                answer = next(upstream, headed), if !answered => {
                    body.waited(began);
                    let answer = match (answer, body.broken.take()) {
                        (Ok(answer), broken) => {
                            body.broken = broken;
                            answer
                        }
                        // The reason why sending failed explains more than a missing answer.
                        (Err(error), broken) => return Err(broken.unwrap_or(error).into_up()),
                    };
                    match answer {
                        Answer::Header(fields, end) => {
                            headed = !fields.status.is_informational();
                            answered = self.begin(session, upstream, fields, end, &mut held, ctx).await? && headed;
                        }
                        Answer::Body(bytes) => {
                            let last = self.all_but_last(session, bytes, &mut held, ctx).await?;
                            let end = upstream.is_body_done();
                            let task = self.body(session, last, end, ctx).await?;
                            answered = self.pass(session, task, &mut held, ctx).await?;
                        }
                    }
                }
                piece = body.next(session, began) => {
                    body.waited(began);
                    match piece {
                        Ok(_) if answered && body.surplus > RENEWED => {
                            session.set_keepalive(None);
                            return Ok(false);
                        }
                        Ok(piece) => {
                            body.surplus += piece.as_ref().filter(|_| answered).map_or(0, Bytes::len);
                            self.send(session, upstream, piece, &mut body, ctx).await?;
                        }
                        Err(error) => {
                            if !body.read && error.etype() == &ErrorType::ReadTimedout {
                                self.admission.metrics.connections_refused.with_label_values(&["slow_body"]).inc();
                                ctx.late = (!headed).then(Problem::slow_body);
                            }
                            if !answered {
                                return Err(error.into_down());
                            }
                            session.set_keepalive(None);
                            return Ok(false);
                        }
                    }
                }
            }
        }
        if session.as_mut().finish_body().await.is_err() {
            session.set_keepalive(None);
        }
        Ok(body.broken.is_none() && upstream.is_body_done())
    }

    /// The request for the origin.
    async fn request(&self, session: &mut Session, ctx: &mut Context) -> Result<RequestHeader> {
        let mut request = session.req_header().clone();
        request.set_version(Version::HTTP_11);
        if session.req_header().version == Version::HTTP_2
            && let Some(authority) = request.uri.authority().map(|authority| authority.as_str().to_owned())
        {
            request.insert_header(HOST, authority)?;
        }
        strip_hop_by_hop(&mut request).map_err(Error::into_down)?;
        self.upstream_request_filter(session, &mut request, ctx).await?;
        validate_request_authority(&request).map_err(Error::into_down)?;
        let is_framed = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| request.headers.contains_key(name));
        if !is_framed && !session.as_mut().is_body_empty() {
            request.insert_header(TRANSFER_ENCODING, "chunked")?;
        }
        Ok(request)
    }

    /// Sends a piece of the request's body.
    async fn send(
        &self,
        session: &mut Session,
        upstream: &mut Http1,
        mut piece: Option<Bytes>,
        body: &mut RequestBody,
        ctx: &mut Context,
    ) -> Result<()> {
        body.read = piece.is_none() || session.as_mut().is_body_done();
        if body.broken.is_some() {
            return Ok(()); // discarded, so that the viewer can read the answer
        }
        self.request_body_filter(session, &mut piece, body.read, ctx).await?;
        if let Some(piece) = piece.filter(|piece| !piece.is_empty())
            && let Err(error) = upstream.write_body(&piece).await
        {
            // The origin may have answered before it closed.
            body.broken = Some(error);
            return Ok(());
        }
        if body.read {
            body.broken = finish(upstream).await.err();
        }
        Ok(())
    }

    /// Relays the answer's header, with what has already arrived of its body. Returns true if the answer is complete.
    async fn begin(
        &self,
        session: &mut Session,
        upstream: &mut Http1,
        header: Box<ResponseHeader>,
        end: bool,
        held: &mut Held,
        ctx: &mut Context,
    ) -> Result<bool> {
        let is_final = !header.status.is_informational();
        let header = self.header(session, header, end, ctx).await?;
        if end || !is_final {
            return self.pass(session, header, held, ctx).await;
        }
        let until = match &header {
            HttpTask::Header(header, _) => Until::for_response(&header.headers, ctx.inspection.as_ref()),
            _ => Until::Now,
        };
        held.wait(until);
        let ready = tokio::select! {
            biased;
            first = next(upstream, true) => Some(first),
            () = std::future::ready(()) => None,
        };
        let bytes = match ready {
            None => return self.pass(session, header, held, ctx).await,
            Some(Ok(Answer::Body(bytes))) => bytes,
            Some(Ok(Answer::Header(..))) => return Error::e_explain(ErrorType::InternalError, "second header"),
            Some(Err(error)) => {
                self.pass(session, header, held, ctx).await?;
                return Err(error.into_up());
            }
        };
        if bytes.map_or(0, <[u8]>::len) > TOGETHER {
            self.pass(session, header, held, ctx).await?;
            let last = self.all_but_last(session, bytes, held, ctx).await?;
            let end = upstream.is_body_done();
            let task = self.body(session, last, end, ctx).await?;
            return self.pass(session, task, held, ctx).await;
        }
        let last = bytes.map(Bytes::copy_from_slice);
        let end = upstream.is_body_done();
        held.wait(until.max(Until::FirstPiece));
        self.pass(session, header, held, ctx).await?;
        let body = self.body(session, last, end, ctx).await?;
        self.pass(session, body, held, ctx).await
    }

    /// Relays a piece of the answer, and what was held for it. Returns true if the answer is complete.
    async fn pass(&self, session: &mut Session, task: HttpTask, held: &mut Held, ctx: &mut Context) -> Result<bool> {
        let mut tasks = held.add(task, ctx.inspection.is_none());
        for task in &mut tasks {
            if let HttpTask::Header(header, _) = task {
                self.response_filter(session, header, ctx).await?;
            }
        }
        if tasks.is_empty() { Ok(false) } else { session.write_response_tasks(tasks).await }
    }

    /// The header of an answer, still without the fields for the viewer.
    async fn header(
        &self,
        session: &mut Session,
        header: Box<ResponseHeader>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<HttpTask> {
        if header.status == StatusCode::SWITCHING_PROTOCOLS {
            let error =
                Error::explain(ErrorType::InvalidHTTPHeader, "the origin switched protocols without upgrade request");
            return Err(error.into_up());
        }
        let mut header = header;
        if ctx.plain {
            make_plain(&mut header, session, ctx);
        }
        let mut task = HttpTask::Header(header, end);
        session.upstream_compression.response_filter(&mut task);
        let HttpTask::Header(mut header, end) = task else { return Ok(task) };
        self.upstream_response_filter(session, &mut header, ctx).await?;
        let bodiless = session.req_header().method == Method::HEAD
            || header.status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&header.status);
        let is_framed = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| header.headers.contains_key(name));
        if !bodiless && !is_framed && !end {
            // It ends with the origin's connection, but not with the viewer's.
            header.set_version(Version::HTTP_11);
            header.insert_header(TRANSFER_ENCODING, "chunked")?;
        }
        Ok(HttpTask::Header(header, end))
    }

    /// A piece of an answer's body for the viewer.
    async fn body(
        &self,
        session: &mut Session,
        bytes: Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<HttpTask> {
        let mut task = HttpTask::Body(bytes, end);
        session.upstream_compression.response_filter(&mut task);
        if let HttpTask::Body(bytes, end) = &mut task {
            if let Some(decoder) = &mut ctx.decoder
                && let Err(error) = decoder.decode(bytes, *end)
            {
                return Err(Error::because(
                    ErrorType::ReadError,
                    "the answer does not match its Content-Encoding",
                    error,
                )
                .into_up());
            }
            let known = ctx.belied.is_some();
            self.response_body_filter(session, bytes, *end, ctx)?;
            if !known && let Some(kind) = ctx.belied {
                self.decide_belied(session, kind, ctx).await?;
            }
            if std::mem::take(&mut ctx.lists_channels) {
                self.give_back(ctx).await;
            }
        }
        Ok(task)
    }

    /// Relays bytes of an answer except for the last piece, with which the body may end. Unchanged bytes go to an
    /// HTTP/1.1 viewer directly from the read buffer.
    async fn all_but_last(
        &self,
        session: &mut Session,
        bytes: Option<&[u8]>,
        held: &mut Held,
        ctx: &mut Context,
    ) -> Result<Option<Bytes>> {
        let Some(mut bytes) = bytes else { return Ok(None) };
        if matches!(ctx.body, BodyRewriter::Untouched)
            && ctx.inspection.is_none()
            && ctx.decoder.is_none()
            && !session.upstream_compression.is_enabled()
            && let ServerSession::H1(viewer) = session.as_downstream_mut()
        {
            for piece in bytes.chunks(PIECE) {
                cut_off(ctx)?;
                viewer.write_body(piece).await.map_err(Error::into_down)?;
            }
            return Ok(None);
        }
        while let Some((piece, rest)) = bytes.split_at_checked(QUEUED).filter(|(_, rest)| !rest.is_empty()) {
            let task = self.body(session, Some(Bytes::copy_from_slice(piece)), false, ctx).await?;
            self.pass(session, task, held, ctx).await?;
            bytes = rest;
        }
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }
}

/// Prepares the decoding of a coding that the framework does not support.
fn make_plain(header: &mut ResponseHeader, session: &mut Session, ctx: &mut Context) {
    if header.status.is_informational()
        || [StatusCode::PARTIAL_CONTENT, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&header.status)
        || session.req_header().method == Method::HEAD
    {
        return;
    }
    match Coding::from_headers(&header.headers) {
        None | Some(Coding::Other) => return,
        Some(Coding::Plain) => drop(header.remove_header(&CONTENT_ENCODING)),
        Some(Coding::Known(decoder)) => {
            for name in [CONTENT_ENCODING, CONTENT_LENGTH, ACCEPT_RANGES, ETAG] {
                header.remove_header(&name);
            }
            ctx.decoder = Some(decoder);
        }
    }
    session.upstream_compression = ResponseCompressionCtx::new(0, false, false);
}

/// A part of the origin's answer.
enum Answer<'a> {
    /// The header. True if there is no body.
    Header(Box<ResponseHeader>, bool),
    /// Bytes of the body. `None` at its end.
    Body(Option<&'a [u8]>),
}

/// Waits for more of the answer. Cancel-safe.
async fn next(upstream: &mut Http1, headed: bool) -> Result<Answer<'_>> {
    if headed {
        return upstream.read_body_ref().await.map(Answer::Body);
    }
    match upstream.read_response_task().await? {
        HttpTask::Header(fields, end) => Ok(Answer::Header(fields, end)),
        _ => Error::e_explain(ErrorType::InvalidHTTPHeader, "the origin's answer has no header"),
    }
}

/// Ends the request, within the origin's write timeout.
async fn finish(upstream: &mut Http1) -> Result<()> {
    let Some(timeout) = upstream.write_timeout else { return upstream.finish_body().await.map(drop) };
    match fast_timeout(timeout, upstream.finish_body()).await {
        Ok(finished) => finished.map(drop),
        Err(_) => Error::e_explain(ErrorType::WriteTimedout, "the origin did not read the end of the request in time"),
    }
}

/// Progress of the viewer's request body.
struct RequestBody {
    /// It has been read to its end.
    read: bool,
    /// Why it can no longer be sent to the origin.
    broken: Option<Box<Error>>,
    timeout: Duration,
    /// Remaining time to wait for the viewer. Excludes the time that the origin takes.
    left: Duration,
    /// Bytes since `left` was last renewed.
    bytes: usize,
    /// Bytes since the answer was complete.
    surplus: usize,
}

impl RequestBody {
    fn new(read: bool, timeout: Duration) -> Self {
        Self { read, broken: None, timeout, left: timeout, bytes: 0, surplus: 0 }
    }

    /// Waits for more of it, since `began`. After its end, waits for the viewer to leave, which is an error.
    async fn next(&mut self, session: &mut Session, began: Instant) -> Result<Option<Bytes>> {
        let viewer = session.as_downstream_mut();
        if self.read {
            return viewer.read_body_or_idle(true).await;
        }
        let left = self.left.saturating_sub(began.elapsed());
        let Ok(piece) = fast_timeout(left, viewer.read_body_or_idle(false)).await else {
            return Error::e_explain(ErrorType::ReadTimedout, "the request body was not received in time");
        };
        let piece = piece?;
        self.bytes += piece.as_ref().map_or(0, Bytes::len);
        Ok(piece)
    }

    /// Records the time waited for the viewer since `began`.
    fn waited(&mut self, began: Instant) {
        self.left = self.left.saturating_sub(began.elapsed());
        if self.bytes >= RENEWED {
            (self.bytes, self.left) = (0, self.timeout);
        }
    }
}
