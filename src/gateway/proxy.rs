//! The framework's hooks, in the order in which it calls them.

use std::any::Any;
use std::borrow::Cow;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, TRANSFER_ENCODING,
};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::compression::ResponseCompressionCtx;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};

use super::context::Context;
use super::inspect::{Inspection, Look};
use super::manifest::{BodyRewriter, RewriteContext, cadence};
use super::response_kind::{begins_in_the_middle, is_looked_at, shown};
use super::upstream_request::{
    bare_query, give_token_back, has_path, identity, in_origin_form, is_nameless, join_cookies, origin_uri,
    strip_referer, strip_token_headers,
};
use super::{Gateway, annotate, client_info, connection_limits, fields};
use crate::admission::{InFlightGuard, Permit, Problem, Slot, host, pass_outcome, strip_path_token};
use crate::identity::{Renewed, path};
use crate::media::{self, Kind, json};
use crate::streams::Signal;
use crate::telemetry::{Access, ManifestResult, Outcome};

/// Fields that describe the original bytes of a rewritten manifest.
const OF_THE_OLD_BYTES: [&str; 4] = ["content-md5", "digest", "content-digest", "repr-digest"];

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.admission.next_request(), &self.current.load())
    }

    fn on_connection_reuse(&self, _: &mut Session, ctx: &mut Context, carried: Box<dyn Any + Send + Sync>) {
        ctx.receive_cached(carried);
    }

    fn persist_connection_context(&self, _: &Session, ctx: &Context) -> Option<Box<dyn Any + Send + Sync>> {
        ctx.cache_play()
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<()> {
        connection_limits::header_read();
        ctx.begin(self.admission.clock.moment());
        let limits = &ctx.settings().limits;
        let (keep_alive, write_timeout) = (limits.keep_alive.as_secs().max(1), limits.write_timeout);
        // The body of a refused request is read to its end, with the same timeout as others.
        let body_timeout = limits.body_timeout;
        session.set_total_drain_timeout(Some(body_timeout));
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(keep_alive));
        }
        session.set_write_timeout(Some(write_timeout));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<bool> {
        ctx.arrival.client = client_info::client_info(session, ctx.settings());
        if !has_path(session.req_header()) {
            self.refuse(session, &Problem::malformed(), ctx).await?;
            return Ok(true);
        }
        let (config, stripped_path) = (ctx.config.clone(), strip_path_token(ctx.settings(), session.req_header()));
        ctx.stripped_path.clone_from(&stripped_path);
        let view = ctx.view(&config, session.req_header(), stripped_path.as_deref());
        // First, because the log uses it from here on.
        ctx.prefix_length = view.prefix_length;
        let decided = self.admission.decide(&view).await;
        match ctx.apply(decided) {
            Ok(()) => Ok(false),
            Err(problem) => {
                self.refuse(session, &problem, ctx).await?;
                Ok(true)
            }
        }
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<bool> {
        // Replaces the framework's own loop, which would read far ahead of a slow viewer.
        self.relay(session, ctx).await?;
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Context) -> pingora::Result<Box<HttpPeer>> {
        ctx.server = None;
        let origin = ctx.subject.origin.as_ref().ok_or_else(|| Error::new(ErrorType::HTTPStatus(404)))?;
        match ctx.upstreams.pick(&origin.name, ctx.tried.as_deref(), ctx.arrival.moment.now) {
            Ok(server) => {
                let peer = server.peer();
                ctx.server = Some(server);
                ctx.asked = Instant::now();
                Ok(peer)
            }
            Err(none) => {
                self.admission.metrics.origin_failures.with_label_values(&[&*origin.name, none.label()]).inc();
                ctx.reason = none.label();
                Err(Error::new(ErrorType::HTTPStatus(503)))
            }
        }
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        self.server_failed(ctx, "connect");
        error.set_retry(ctx.tried.is_none() && session.req_header().method.is_idempotent());
        ctx.tried = ctx.server.as_ref().map(|server| server.server().clone());
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("Peer: {peer}"));
        if error.esource() == &ErrorSource::Upstream && is_unanswered(session) && !client_reused {
            self.server_failed(ctx, "response");
        }
        if !session.req_header().method.is_idempotent() || session.as_ref().retry_buffer_truncated() {
            error.set_retry(false);
        } else {
            error.retry.decide_reuse(client_reused);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        let identity = identity(ctx);
        if let Some(uri) = origin_uri(&upstream.uri, ctx) {
            upstream.set_uri(uri);
        }
        in_origin_form(upstream);
        join_cookies(upstream)?;
        strip_token_headers(upstream, identity)?;
        annotate::strip_forged(upstream);
        annotate::to_origin(upstream, ctx)?;
        if let Some(name) = ctx.subject.origin.as_ref().and_then(|origin| origin.host_header.as_deref()) {
            upstream.insert_header(HOST, name)?;
        } else if !upstream.headers.contains_key(HOST)
            && let Some(host) = host(session.req_header()).map(str::to_owned)
        {
            // HTTP/2 has the host in the target; the request to the origin is HTTP/1.1.
            upstream.insert_header(HOST, host)?;
        }
        strip_referer(upstream, identity);
        client_info::forward(session, upstream, ctx.arrival.client)?;
        if ctx.belied.unwrap_or(ctx.subject.kind).is_manifest() {
            // Only a complete, unencoded and new answer can be rewritten.
            for name in [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
                upstream.remove_header(&name);
            }
            upstream.insert_header(ACCEPT_ENCODING, "identity")?;
        } else if is_nameless(session.req_header(), ctx) {
            // It may turn out to be a manifest. `bytes=0-` requests the same as no range.
            if upstream.headers.get(RANGE).is_some_and(|range| range == "bytes=0-") {
                upstream.remove_header(&RANGE);
            }
            upstream.insert_header(ACCEPT_ENCODING, "identity")?;
        } else if ctx.subject.kind.is_harmless() && is_looked_at(ctx) && begins_in_the_middle(upstream) {
            // Only its beginning shows if it is harmless. A server may answer a range with the whole (RFC 9110 §14.2).
            upstream.remove_header(&RANGE);
            upstream.remove_header(&IF_RANGE);
        }
        let may_pass =
            ctx.subject.kind.is_harmless() || matches!(ctx.subject.kind, Kind::Unknown | Kind::Subtitle | Kind::Key);
        let is_looked_at = ctx.belied.is_none() && may_pass && is_looked_at(ctx);
        if is_looked_at || ctx.subject.kind.is_harmless() && self.is_listed(session.req_header(), ctx) {
            // Compressed bytes cannot be inspected.
            upstream.insert_header(ACCEPT_ENCODING, "identity")?;
        }
        // A second attempt starts afresh: the decompressor accepts only one header.
        session.upstream_compression = ResponseCompressionCtx::new(0, false, false);
        // Decodes what is rewritten or inspected, even if an origin compresses unasked. Partial answers cannot be
        // decompressed.
        ctx.plain = ctx.belied.unwrap_or(ctx.subject.kind).is_manifest()
            || is_nameless(session.req_header(), ctx)
            || is_looked_at && !upstream.headers.contains_key(RANGE);
        session.upstream_compression.adjust_decompression(ctx.plain);
        ctx.body = BodyRewriter::Untouched;
        ctx.decoder = None;
        ctx.inspection = None;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        _: &mut Context,
    ) -> pingora::Result<()> {
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            // HTTP/2 ends a body with an empty frame. As a chunk, it would be the last chunk, which the end of the body
            // would repeat: five bytes that the origin would read as the beginning of another request.
            *body = None;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        if let Some(server) = &ctx.server {
            server.server().answered(response.status, ctx.asked.elapsed(), self.admission.clock.now());
        }
        if fields::are_in(response)
            && let Some(sealed) = ctx.sealed()
        {
            fields::in_play(response, &place(session.req_header(), sealed, ctx).target())?;
        }
        if response.status.is_client_error() || response.status.is_server_error() {
            self.give_back(ctx).await;
            return Ok(());
        }
        if response.status == StatusCode::NOT_MODIFIED {
            // After a conditional request, the viewer has the content and may play it. Otherwise there is nothing to
            // play.
            let has_it =
                [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| session.req_header().headers.contains_key(name));
            if !has_it {
                self.give_back(ctx).await;
            }
            // Without a type and bytes, the name decides. In a play, an unknown name counts as media.
            return match ctx.subject.kind {
                Kind::Unknown if ctx.prefix_length > 0 => self.decide_again(session, Kind::Segment, ctx).await,
                _ => Ok(()),
            };
        }
        if response.status.is_redirection() {
            let elsewhere = fields::location(response)
                .is_some_and(|location| leads_elsewhere(&location, session.req_header(), ctx));
            let (config, moment) = (ctx.config.clone(), ctx.arrival.moment);
            let (subject, permit) = (&mut ctx.subject, &mut ctx.permit);
            self.admission.redirected(elsewhere, &config.settings, moment, subject, permit).await;
            return Self::follow(session, response, ctx);
        }
        let shown = shown(session.req_header(), response, ctx);
        let kind = shown.kind;
        if shown.counts_more_than(ctx.subject.kind) {
            self.decide_again(session, kind, ctx).await?;
        } else if ctx.subject.kind == Kind::Unknown {
            ctx.subject.kind = kind;
        }
        if [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&response.status) {
            self.admission.record_download(&ctx.subject, ctx.permit.as_ref());
        }
        ctx.inspection = shown.claim.map(Inspection::new);
        if kind.is_manifest() && response.status == StatusCode::PARTIAL_CONTENT && ctx.belied.is_none() {
            // A part of a manifest cannot be rewritten. Retry for the whole.
            ctx.belied = Some(kind);
            let mut error = Error::explain(ErrorType::HTTPStatus(502), "the answer is part of a manifest");
            error.set_retry(true);
            return Err(error);
        }
        if ![StatusCode::OK, StatusCode::NON_AUTHORITATIVE_INFORMATION].contains(&response.status) {
            Ok(())
        } else if kind.is_manifest() {
            self.expect_manifest(session, response, kind, ctx)
        } else if may_have_references(session.req_header(), response, kind, ctx) {
            expect_json(session.req_header(), response, ctx)
        } else {
            Ok(())
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        if ctx.outcome == Outcome::Passed {
            ctx.outcome = pass_outcome(ctx.permit.as_ref());
        }
        annotate::to_viewer(response, ctx)?;
        if let Some(Renewed { name, value }) = ctx.subject.renewed.take() {
            response.append_header(name, value)?;
            // A cache must not store one viewer's token.
            response.insert_header(CACHE_CONTROL, "private, no-store")?;
        }
        if session.req_header().version == Version::HTTP_10 && response.headers.contains_key(TRANSFER_ENCODING) {
            // HTTP/1.0 has no chunks: the body ends with the connection.
            response.remove_header(&TRANSFER_ENCODING);
            session.set_keepalive(None);
        }
        self.admission.metrics.answered(ctx.outcome, ctx.begun.elapsed());
        Ok(())
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> pingora::Result<Option<Duration>> {
        cut_off(ctx)?;
        if let Some(inspection) = &mut ctx.inspection {
            match inspection.look(body, end) {
                Look::More => {}
                Look::Harmless => ctx.inspection = None,
                Look::Belied(kind) => {
                    ctx.body.release(body);
                    self.belie(kind, session, ctx)?;
                }
            }
        }
        if matches!(ctx.body, BodyRewriter::Untouched) {
            return Ok(None);
        }
        let most = ctx.settings().limits.manifest_bytes;
        if let Some(passed) = ctx.body.filter(body, end, most) {
            self.count_manifest(passed.result);
            ctx.lists_channels = passed.lists_channels;
            self.admission.metrics.foreign_references.inc_by(u64::from(passed.foreign));
            if let Some(application) = &ctx.subject.application {
                self.admission.listed.note(application.id.as_str(), &passed.disguised);
            }
            let stream =
                ctx.subject.play.as_ref().and_then(|play| Some((play.stream.as_ref()?, play.session.account.key())));
            if let (Some((stream, account)), Some(cadence)) =
                (stream, passed.facts.as_ref().and_then(|facts| cadence(facts, ctx.prefix_length == 0)))
                && stream.learn(&cadence, &ctx.settings().streams)
            {
                self.admission.table.reschedule(&account, self.admission.clock.now());
            }
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let unanswered = is_unanswered(session);
        let (from_origin, from_viewer) =
            (error.esource() == &ErrorSource::Upstream, error.esource() == &ErrorSource::Downstream);
        if unanswered && !from_viewer {
            // A start is given back only if the origin fails. A viewer who leaves may already have the play session.
            self.give_back(ctx).await;
        }
        let problem = match (ctx.late.take(), error.etype()) {
            (Some(refusal), _) => Some(refusal),
            // The viewer has gone.
            (None, ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed) if from_viewer => None,
            (None, _) if from_viewer => Some(Problem::malformed()),
            (None, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) if from_origin => {
                Some(Problem::origin(StatusCode::GATEWAY_TIMEOUT, "timeout"))
            }
            (None, ErrorType::HTTPStatus(503)) => Some(Problem::origin(StatusCode::SERVICE_UNAVAILABLE, ctx.reason)),
            (None, _) => Some(Problem::origin(StatusCode::BAD_GATEWAY, "origin")),
        };
        let error_code = problem.as_ref().map_or(0, |problem| problem.status().as_u16());
        if let Some(problem) = problem {
            if unanswered {
                session.set_keepalive(None);
                if let Err(error) = self.refuse(session, &problem, ctx).await {
                    tracing::debug!(%error, "viewer left before the answer");
                }
            } else if ctx.reason != "cut_off" {
                ctx.set_outcome(&problem);
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        let bytes = session.body_bytes_sent();
        self.admission.metrics.bytes.inc_by(bytes as u64);
        self.admission.metrics.request(ctx.outcome, ctx.subject.kind);
        if let Some(error) = error.filter(|error| error.esource() != &ErrorSource::Downstream) {
            tracing::warn!(request = format_args!("{:016x}", ctx.arrival.id), %error, "request failed");
        }
        if ctx.settings().log.access {
            self.log_access(session, bytes, ctx);
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true // `logging` logs it, without the query, which may contain a token
    }

    fn request_summary(&self, _: &Session, ctx: &Context) -> String {
        format!("request {:016x}", ctx.arrival.id)
    }
}

impl Gateway {
    /// Answers instead of the origin and keeps the connection: refused players retry, and a new connection costs more
    /// than the refusal.
    async fn refuse(&self, session: &mut Session, problem: &Problem, ctx: &mut Context) -> pingora::Result<()> {
        ctx.set_outcome(problem);
        let (fields, body) = problem.render(ctx.arrival.id, &session.req_header().headers);
        self.admission.remember(problem, &body, ctx.arrival.id, ctx.settings(), &ctx.subject);
        let mut response = ResponseHeader::build(problem.status(), Some(fields.len()))?;
        for (name, value) in fields {
            response.insert_header(name, value)?;
        }
        self.admission.metrics.answered(ctx.outcome, ctx.begun.elapsed());
        let bodiless = body.is_empty() || session.req_header().method == Method::HEAD;
        session.write_response_header(Box::new(response), bodiless).await?;
        if !bodiless {
            session.write_response_body(Some(body), true).await?;
        }
        Ok(())
    }

    /// Gives back the slot that a request took, because the origin did not serve the request.
    pub(super) async fn give_back(&self, ctx: &mut Context) {
        self.admission.give_back(&mut ctx.subject, &mut ctx.permit).await;
    }

    /// Decides again about a request whose answer shows more than its name.
    async fn decide_again(&self, session: &Session, kind: Kind, ctx: &mut Context) -> pingora::Result<()> {
        let (config, stripped_path) = (ctx.config.clone(), ctx.stripped_path.clone());
        let mut view = ctx.view(&config, session.req_header(), stripped_path.as_deref());
        view.now = self.admission.clock.now();
        let decided = self.admission.decide_late(&view, kind, std::mem::take(&mut ctx.subject)).await;
        let Err(problem) = ctx.apply(decided) else { return Ok(()) };
        // `fail_to_proxy` answers; the origin's answer is discarded.
        let status = problem.status().as_u16();
        ctx.late = Some(problem);
        Err(Error::new(ErrorType::HTTPStatus(status)))
    }

    /// Handles a harmless answer whose first bytes show media. If nothing has been sent to the viewer, it is decided
    /// again ([`Self::decide_belied`]); a manifest is requested again first, because it must be complete and unencoded.
    fn belie(&self, kind: Kind, session: &Session, ctx: &mut Context) -> pingora::Result<()> {
        ctx.inspection = None;
        if is_unanswered(session) {
            ctx.belied = Some(kind);
            if !kind.is_manifest() {
                return Ok(());
            }
            let mut error = Error::explain(ErrorType::HTTPStatus(502), "the answer is a manifest, despite its type");
            error.set_retry(true);
            return Err(error);
        }
        // The header was already sent. A play session whose stream holds its slot needs no decision.
        let stream = ctx.subject.play.as_ref().filter(|_| ctx.prefix_length > 0).and_then(|play| play.stream.clone());
        let stream = stream.filter(|stream| stream.heartbeat(Signal::Playback, self.admission.clock.now()));
        match stream {
            Some(stream) if kind == Kind::Segment => {
                ctx.subject.kind = kind;
                let in_flight = Some(InFlightGuard::new(stream, Signal::Playback, &self.admission.clock));
                match &mut ctx.permit {
                    Some(permit) => permit.in_flight = in_flight,
                    None => ctx.permit = Some(Permit { slot: Slot::Held, in_flight, annotations: None }),
                }
                Ok(())
            }
            _ => {
                ctx.reason = "cut_off";
                Err(Error::explain(ErrorType::HTTPStatus(403), "the answer is media, despite its type"))
            }
        }
    }

    /// Decides about an answer whose first bytes show media, before anything is sent to the viewer.
    pub(super) async fn decide_belied(&self, session: &Session, kind: Kind, ctx: &mut Context) -> pingora::Result<()> {
        self.decide_again(session, kind, ctx).await?;
        if begins_in_the_middle(session.req_header()) {
            // The whole was requested for its beginning. Retry with the viewer's range.
            let mut error = Error::explain(ErrorType::HTTPStatus(502), "the answer is not the requested range");
            error.set_retry(true);
            return Err(error);
        }
        self.admission.record_download(&ctx.subject, ctx.permit.as_ref());
        Ok(())
    }

    /// True if manifests list such names as segments.
    fn is_listed(&self, request: &RequestHeader, ctx: &Context) -> bool {
        let application = ctx.subject.application.as_ref();
        application
            .is_some_and(|application| self.admission.listed.lists(application.id.as_str(), ctx.path_of(&request.uri)))
    }

    fn server_failed(&self, ctx: &Context, reason: &str) {
        if let (Some(server), Some(origin)) = (&ctx.server, &ctx.subject.origin) {
            server.server().failed(self.admission.clock.now());
            self.admission.metrics.origin_failures.with_label_values(&[&*origin.name, reason]).inc();
        }
    }

    fn count_manifest(&self, result: ManifestResult) {
        self.admission.metrics.manifests.with_label_values(&[result.label()]).inc();
    }

    /// Prepares a manifest's header for a body of another length, and the body for rewriting.
    fn expect_manifest(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        kind: Kind,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        let Some(play) = ctx.subject.play.clone() else { return Ok(()) };
        if response.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            self.count_manifest(ManifestResult::Encoded);
            return Ok(());
        }
        forget_bytes(response)?;
        let request = session.req_header();
        if request.method == Method::GET {
            ctx.body = BodyRewriter::Expected(
                kind,
                Box::new(place(request, play.sealed().unwrap_or_default(), ctx)),
                Vec::new(),
            );
        }
        Ok(())
    }

    /// Adds the play session to the target of the origin's redirect.
    fn follow(session: &mut Session, response: &mut ResponseHeader, ctx: &mut Context) -> pingora::Result<()> {
        let Some(location) = fields::location(response).map(Cow::into_owned) else { return Ok(()) };
        let Some(sealed) = ctx.sealed() else {
            let place = place(session.req_header(), "", ctx);
            return give_token_back(session.req_header(), &location, &place.target(), response, ctx);
        };
        let place = place(session.req_header(), sealed, ctx);
        if let Some(prefixed) = media::prefixed(&location, &place.target()) {
            response.insert_header(LOCATION, prefixed)?;
            // A cache must not store one viewer's play session.
            response.insert_header(CACHE_CONTROL, "private, no-store")?;
        }
        Ok(())
    }

    fn log_access(&self, session: &Session, bytes: usize, ctx: &Context) {
        let request = session.req_header();
        let account = ctx.subject.play.as_ref().map(|play| play.account_label(&ctx.settings().keys));
        let server = ctx.server.as_ref().map(|server| &**server.server() as &dyn std::fmt::Display);
        Access {
            request: ctx.arrival.id,
            client: ctx.arrival.client.address,
            method: request.method.as_str(),
            host: host(request).unwrap_or_default(),
            path: &ctx.logged_path(&request.uri),
            status: session.response_written().map_or(0, |response| response.status.as_u16()),
            bytes,
            millis: u64::try_from(self.admission.clock.now().since(ctx.arrival.moment.now).as_millis())
                .unwrap_or(u64::MAX),
            kind: ctx.subject.kind,
            outcome: ctx.outcome,
            reason: ctx.reason,
            application: ctx.subject.application.as_ref().map_or("", |application| application.id.as_str()),
            account: account.unwrap_or_default(),
            stream: ctx.subject.play.as_ref().map(|play| play.session.stream),
            server,
            door: None,
        }
        .log();
    }
}

/// Removes fields that describe the original bytes, and prevents caching of one viewer's answer.
fn forget_bytes(response: &mut ResponseHeader) -> pingora::Result<()> {
    if response.headers.get(CONTENT_LENGTH).is_none_or(|length| length != "0") {
        // An empty body stays empty, and its end is given by its length.
        response.remove_header(&CONTENT_LENGTH);
    }
    for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
        response.remove_header(&name);
    }
    for name in OF_THE_OLD_BYTES {
        response.remove_header(name);
    }
    response.insert_header(CACHE_CONTROL, "private, no-store")
}

/// True if an answer in a play may be an asset list or a steering manifest.
fn may_have_references(request: &RequestHeader, response: &ResponseHeader, kind: Kind, ctx: &Context) -> bool {
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind == Kind::Other
        && ctx.prefix_length > 0
        && ctx.sealed().is_some()
        && [Method::GET, Method::HEAD].contains(&request.method)
        && response.headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity")
        && json::may_have_references(ctx.path_of(&request.uri), content_type)
}

/// Prepares an answer for a body that may have another length.
fn expect_json(request: &RequestHeader, response: &mut ResponseHeader, ctx: &mut Context) -> pingora::Result<()> {
    let Some(play) = ctx.subject.play.clone() else { return Ok(()) };
    forget_bytes(response)?;
    if request.method == Method::GET {
        ctx.body = BodyRewriter::Json(Vec::new(), Box::new(place(request, play.sealed().unwrap_or_default(), ctx)));
    }
    Ok(())
}

/// True if a redirect leads to media on another host. A manifest starts a play wherever it is.
fn leads_elsewhere(location: &str, request: &RequestHeader, ctx: &Context) -> bool {
    let place = place(request, "", ctx);
    media::is_elsewhere(location, &place.target()) && !media::classify(media::path_of(location), None).is_manifest()
}

fn place(request: &RequestHeader, sealed: &str, ctx: &Context) -> RewriteContext {
    let query = bare_query(&request.uri, identity(ctx)).map(Cow::into_owned);
    let prefix = if sealed.is_empty() { String::new() } else { format!("/~s/{sealed}") };
    // A start after a redirect gets a different play session from the one in its path.
    let inherited = path::split(request.uri.path()).is_some_and(|(carried, _)| carried == sealed);
    RewriteContext {
        prefix,
        document: ctx.path_of(&request.uri).to_owned(),
        query,
        inherited,
        authority: host(request).unwrap_or_default().to_owned(),
        site: client_info::site(request, ctx.arrival.client),
        origin: ctx.subject.origin.as_ref().and_then(|origin| origin.host_header.clone()),
    }
}

/// Aborts a transfer whose stream was terminated. Otherwise a film in one piece would play to its end.
///
/// # Errors
/// The stream was terminated.
pub(super) fn cut_off(ctx: &mut Context) -> pingora::Result<()> {
    let in_flight = ctx.permit.as_ref().and_then(|permit| permit.in_flight.as_ref());
    if !in_flight.is_some_and(InFlightGuard::is_terminated) {
        return Ok(());
    }
    ctx.reason = "cut_off";
    Error::e_explain(ErrorType::HTTPStatus(403), "the stream was terminated while its media was being sent")
}

/// True if no final answer has been sent to the viewer. A 103 is not final.
fn is_unanswered(session: &Session) -> bool {
    session.response_written().is_none_or(|response| response.status.is_informational())
}
