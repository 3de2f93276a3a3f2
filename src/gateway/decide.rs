//! The four questions, asked of one request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::header::HOST;
use pingora::http::RequestHeader;

use super::Gateway;
use super::context::{Context, Play, Watch};
use super::respond::Problem;
use crate::config::{Application, Unidentified};
use crate::identity::{PlaySession, RequestFacts, Viewer, path};
use crate::media::{self, Kind};
use crate::model::{Millis, StreamId};
use crate::streams::{Admission, Candidate, Refusal, Signal};
use crate::telemetry::Outcome;

/// How a request stands to the count of streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It is a heartbeat, and may start a stream.
    Counts(Signal),
    /// It has to belong to a stream that has not been terminated, and is no sign of life.
    Checked,
    /// It passes.
    Never,
}

impl Weight {
    fn of(kind: Kind, request: &RequestHeader) -> Self {
        if request.method == Method::OPTIONS {
            return Self::Never;
        }
        let counts = request.method == Method::GET;
        match kind.signal() {
            media::Signal::Never => Self::Never,
            media::Signal::Playback if counts => Self::Counts(Signal::Playback),
            media::Signal::Presence if counts => Self::Counts(Signal::Presence),
            _ => Self::Checked,
        }
    }
}

/// What a request says of itself, taken apart once.
pub(super) struct Asked<'a> {
    request: &'a RequestHeader,
    /// The path at the origin.
    path: &'a str,
    sealed: Option<&'a str>,
    client: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(request: &'a RequestHeader, client: Option<IpAddr>) -> Self {
        let whole = request.uri.path();
        let (sealed, path) = path::split(whole).map_or((None, whole), |(sealed, rest)| (Some(sealed), rest));
        Self { request, path, sealed, client }
    }

    fn facts(&self) -> RequestFacts<'a> {
        RequestFacts {
            path: self.path,
            query: self.request.uri.query(),
            headers: &self.request.headers,
            client: self.client,
        }
    }
}

/// The host that a request names, without judging it.
pub(super) fn host(request: &RequestHeader) -> Option<&str> {
    let field = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    field.or_else(|| request.uri.authority().map(http::uri::Authority::as_str)).filter(|host| !host.is_empty())
}

impl Gateway {
    /// Answers the four questions for a request, before anything is sent to the origin.
    pub(super) async fn decide(&self, asked: &Asked<'_>, ctx: &mut Context) -> Result<(), Box<Problem>> {
        let now = ctx.started;
        let request = asked.request;
        if is_ambiguous(asked.path) {
            return Err(Problem::ambiguous_path());
        }
        let settings = ctx.settings.clone();
        let route = settings.routes.find(host(request), asked.path).ok_or_else(Problem::no_route)?;
        let application = route.application.clone();
        ctx.origin = Some(route.origin.clone());
        ctx.application = Some(application.clone());
        ctx.prefix_length = request.uri.path().len() - asked.path.len();
        ctx.kind = media::classify(asked.path, request.uri.query());

        if ctx.kind.is_media() && ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method) {
            return Err(Problem::method());
        }
        let weight = Weight::of(ctx.kind, request);
        if weight == Weight::Never && (asked.sealed.is_none() || request.method == Method::OPTIONS) {
            return Ok(());
        }
        let mut unproven = None;
        if let Some(sealed) = asked.sealed {
            match self.open(sealed, &application, ctx, now) {
                Ok(play) => return self.with_play_session(play, weight, &application, ctx, now).await,
                Err(problem) => unproven = Some(problem),
            }
        }
        let viewer = application.identity.as_ref().and_then(|identity| identity.identify(&asked.facts(), now));
        match viewer {
            Some(Ok(viewer)) => self.with_token(&viewer, asked, weight, &application, ctx, now).await,
            Some(Err(error)) => {
                let reason = error.label();
                self.metrics.token_errors.with_label_values(&[application.id.as_str(), reason]).inc();
                if ctx.kind.is_media() { Err(Problem::token(error)) } else { Ok(()) }
            }
            None if application.unidentified == Unidentified::Pass || !ctx.kind.is_media() => Ok(()),
            None => Err(unproven.unwrap_or_else(Problem::unidentified)),
        }
    }

    /// The play behind a sealed play session: what the connection carries, or opened and looked up.
    fn open(
        &self,
        sealed: &str,
        application: &Application,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<Arc<Play>, Box<Problem>> {
        let max_age = ctx.settings.keys.max_age();
        let current =
            |play: &Arc<Play>| now.since(play.session.started) <= max_age && play.session.application == application.id;
        if let Some(play) = ctx.carried(sealed).filter(current) {
            return Ok(play);
        }
        let session = ctx.settings.keys.open(sealed, now).map_err(|error| {
            self.metrics.play_session_errors.with_label_values(&[error.label()]).inc();
            Problem::play_session(error)
        })?;
        if session.application != application.id {
            self.metrics.play_session_errors.with_label_values(&["other_application"]).inc();
            return Err(Problem::foreign_play_session());
        }
        let stream = self.table.find(&session.key, session.stream);
        Ok(Arc::new(Play { sealed: sealed.into(), session, stream }))
    }

    /// A request that carries a play session: the hot path.
    async fn with_play_session(
        &self,
        play: Arc<Play>,
        weight: Weight,
        application: &Arc<Application>,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        let settings = ctx.settings.clone();
        let stream = play.stream.clone();
        ctx.play = Some(play.clone());
        match (weight, stream) {
            (Weight::Never, _) => Ok(()),
            (Weight::Counts(signal), Some(stream)) if stream.beat(signal, now) => {
                ctx.annotations = stream.annotations();
                ctx.watch = Some(Watch::new(stream, signal, &self.clock));
                Ok(())
            }
            (Weight::Checked, Some(stream)) if stream.holds(&settings.streams, now) => Ok(()),
            (Weight::Checked, _) => {
                let candidate = candidate(&play.session);
                match self.table.terminated(&candidate.account, candidate.stream, now).await {
                    Ok(Some(cause)) => Err(Problem::refused(&Refusal::Terminated(cause))),
                    Ok(None) | Err(_) => Ok(()),
                }
            }
            (Weight::Counts(signal), _) => {
                let candidate = candidate(&play.session);
                let admission = self.table.resume(&candidate, &application.policies, &settings.streams, now);
                let play = |stream| Play { sealed: play.sealed.clone(), session: play.session.clone(), stream };
                self.conclude(admission, signal, ctx, now, play).await
            }
        }
    }

    /// A request with a token and without a play session.
    async fn with_token(
        &self,
        viewer: &Viewer,
        asked: &Asked<'_>,
        weight: Weight,
        application: &Arc<Application>,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        if weight == Weight::Never {
            return Ok(());
        }
        let entry = matches!(ctx.kind, Kind::Playlist | Kind::Mpd);
        let settings = ctx.settings.clone();
        let fresh = |stream: StreamId, asset: &str| PlaySession {
            stream,
            account: viewer.account.clone(),
            key: viewer.key,
            application: application.id.clone(),
            device: viewer.device.clone(),
            asset: PlaySession::asset_name(asset),
            started: now,
        };
        match (viewer.session, entry) {
            (None, true) => {
                let session = fresh(StreamId(self.entropy.bytes()), asked.path);
                let start = candidate(&session);
                if weight == Weight::Checked || is_speculative(asked.request) {
                    // A HEAD or a prefetch learns what a start would be told, and takes nothing. What was prefetched may be
                    // played later, so it carries a play session that competes when media is asked for.
                    let answer = self.table.consider(&start, &application.policies, &settings.streams, now).await;
                    if let Ok(Some(refusal)) = answer {
                        return Err(Problem::refused(&refusal));
                    }
                    let sealed = settings.keys.seal(&session).into();
                    ctx.play = Some(Arc::new(Play { sealed, session, stream: None }));
                    return Ok(());
                }
                ctx.minted = true;
                let admission = self.table.start(&start, &application.policies, &settings.streams, now);
                let minted = |stream: Option<Arc<crate::streams::Stream>>| {
                    // A start that goes on with an older stream carries that one's play session.
                    let mut session = session.clone();
                    if let Some(stream) = &stream {
                        (session.stream, session.started) = (stream.id, stream.started);
                    }
                    Play { sealed: settings.keys.seal(&session).into(), session, stream }
                };
                self.conclude(admission, Signal::Presence, ctx, now, minted).await
            }
            // The token reaches every request and says which stream it is; or a manifest could not be rewritten, and all
            // that such requests of one device have in common is their device.
            (named, _) => {
                let (stream, asset) = match named {
                    Some(stream) => (stream, asked.path),
                    None => (unminted(viewer, application), "unknown"),
                };
                let Weight::Counts(signal) = weight else { return Ok(()) };
                let known = self.table.find(&viewer.key, stream);
                let session = fresh(stream, asset);
                if let Some(known) = known.filter(|known| known.beat(signal, now)) {
                    ctx.annotations = known.annotations();
                    ctx.watch = Some(Watch::new(known.clone(), signal, &self.clock));
                    ctx.play = Some(Arc::new(Play { sealed: "".into(), session, stream: Some(known) }));
                    return Ok(());
                }
                let returning = candidate(&session);
                let admission = self.table.resume(&returning, &application.policies, &settings.streams, now);
                let play = |stream| Play { sealed: "".into(), session: session.clone(), stream };
                self.conclude(admission, signal, ctx, now, play).await
            }
        }
    }

    /// Waits for an admission and turns it into the request's fate.
    async fn conclude(
        &self,
        admission: impl Future<Output = Result<Admission, crate::streams::store::Unavailable>>,
        signal: Signal,
        ctx: &mut Context,
        now: Millis,
        play: impl FnOnce(Option<Arc<crate::streams::Stream>>) -> Play,
    ) -> Result<(), Box<Problem>> {
        let timer = self.metrics.decision.start_timer();
        let admission = admission.await;
        timer.observe_duration();
        match admission {
            Ok(Admission::Admitted { stream, created }) => {
                if signal == Signal::Playback {
                    stream.beat(signal, now);
                }
                ctx.reserved = created && ctx.minted;
                ctx.watch = Some(Watch::new(stream.clone(), signal, &self.clock));
                ctx.annotations = stream.annotations();
                ctx.play = Some(Arc::new(play(Some(stream))));
                Ok(())
            }
            Ok(Admission::Refused(refusal)) => Err(Problem::refused(&refusal)),
            // Nobody could decide. A viewer is not refused for our own trouble; the table counts it.
            Err(_) => {
                ctx.reason = "undecided";
                ctx.play = Some(Arc::new(play(None)));
                Ok(())
            }
        }
    }

    /// A path that said nothing answers with media: decides as if that had been known, now that the origin has answered.
    pub(super) async fn decide_late(
        &self,
        asked: &Asked<'_>,
        kind: Kind,
        ctx: &mut Context,
    ) -> Result<(), Box<Problem>> {
        ctx.kind = kind;
        let Some(application) = ctx.application.clone() else { return Ok(()) };
        let (now, weight) = (self.clock.now(), Weight::of(kind, asked.request));
        if let Some(play) = ctx.play.clone() {
            return self.with_play_session(play, weight, &application, ctx, now).await;
        }
        let viewer = application.identity.as_ref().and_then(|identity| identity.identify(&asked.facts(), now));
        match viewer {
            Some(Ok(viewer)) => self.with_token(&viewer, asked, weight, &application, ctx, now).await,
            Some(Err(error)) => Err(Problem::token(error)),
            None if application.unidentified == Unidentified::Pass => Ok(()),
            None => Err(Problem::unidentified()),
        }
    }

    /// Gives the slot of a start back that the origin did not honour.
    pub(super) async fn roll_back(&self, ctx: &mut Context) {
        if let Some(watch) = &mut ctx.watch {
            watch.spoil();
        }
        if !std::mem::take(&mut ctx.reserved) {
            return;
        }
        // The watch would count as a sign of life until this request is gone.
        ctx.watch = None;
        if let Some(play) = ctx.play.take() {
            let Play { session, .. } = &*play;
            if self.table.roll_back(&session.account, session.stream, self.clock.now()).await.is_err() {
                tracing::warn!(stream = %session.stream, "a start could not be taken back in time; its reservation runs out");
            }
        }
    }

    /// What the log calls this outcome of a refusal.
    pub(super) fn note(ctx: &mut Context, problem: &Problem) {
        ctx.outcome = problem.outcome;
        ctx.reason = problem.reason;
    }

    /// The outcome of a request that passes.
    pub(super) fn passed(ctx: &Context) -> Outcome {
        if ctx.annotations.is_none() { Outcome::Passed } else { Outcome::Annotated }
    }
}

/// Whether a browser asks ahead of its viewer (Fetch standard, `Sec-Purpose`).
fn is_speculative(request: &RequestHeader) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| {
        let purpose = request.headers.get(*name).map(http::HeaderValue::as_bytes);
        purpose.is_some_and(|value| value.starts_with(b"prefetch"))
    })
}

fn candidate(session: &PlaySession) -> Candidate {
    Candidate {
        stream: session.stream,
        account: session.account.clone(),
        application: session.application.clone(),
        device: session.device.clone(),
        asset: session.asset.clone(),
        started: session.started,
    }
}

/// The one stream of a device whose requests come with a token and without a play session.
fn unminted(viewer: &Viewer, application: &Application) -> StreamId {
    let device = match &viewer.device {
        crate::model::Device::Named(name) => Cow::Borrowed(&**name),
        crate::model::Device::Hint(hint) => Cow::Owned(format!("{hint:x}")),
    };
    StreamId(crate::model::Account::new(application.id.as_str(), format!("{:?}\0{device}", viewer.key)).key().0)
}

/// Whether a path has `.` or `..` segments, written plainly or percent-encoded, or a NUL. Origins resolve the ones and may
/// stop at the other; what is served would be another thing than what was decided about.
fn is_ambiguous(path: &str) -> bool {
    if path.contains("%00") {
        return true;
    }
    if !path.contains("/.") && !path.contains("/%2") {
        return false;
    }
    path.split('/').any(|segment| {
        let mut rest = segment;
        let mut dots = 0;
        while let Some(after) =
            rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"))
        {
            (rest, dots) = (after, dots + 1);
        }
        rest.is_empty() && (1..=2).contains(&dots)
    })
}

#[cfg(test)]
mod tests {
    use super::is_ambiguous;

    #[test]
    fn paths_that_could_mean_two_things_are_seen_however_they_are_written() {
        for path in ["/a/../b", "/..", "/a/.", "/a/%2e%2E/b", "/a/.%2e", "/./x", "/a.ts%00.jpg"] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/a/...", "/.well-known/x", "/a/..b", "/a.m3u8", "/a/%2ex", "/", "/a/..;x"] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }
}
