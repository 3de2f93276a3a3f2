//! The four questions, asked of one request.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;

use super::Admission;
use super::context::{Context, InFlightGuard, Ingress, PlayContext};
use super::problem::Problem;
use super::request_view::{HeartbeatKind, RequestView, check_well_formed, host, is_speculative};
use super::stream_lookup::StreamMatch;
use crate::config::{Anonymous, Application, RouteError, Settings};
use crate::identity::{Identified, OpenError, PlaySession, TokenError, Viewer, path};
use crate::key_sources::KeySources;
use crate::media::{self, Kind};
use crate::model::{Account, ClientEvidence, Device, Millis, Moment, StreamId};
use crate::streams::{AdmissionOutcome, AdmissionRequest, Refusal, Signal, Stream, media_hash};
use crate::telemetry::Outcome;

/// Streams of one account under names that its viewers can choose.
const MAX_NAMED: usize = 32;

impl Admission {
    /// Answers the four questions for a request, before anything is sent to the origin.
    pub(crate) async fn decide(&self, asked: &RequestView<'_>, ctx: &mut Context) -> Result<(), Box<Problem>> {
        let now = ctx.started;
        let request = asked.request;
        // First of all, because the log shows the path from here on.
        ctx.prefix_length = asked.prefix_length;
        check_well_formed(request, ctx.settings.limits.header_bytes)?;
        if path::find(asked.path).is_some() {
            return Err(Problem::nested_play_session());
        }
        let route = ctx.settings.routes.resolve(host(request), asked.path).map_err(|error| match error {
            RouteError::Ambiguous => Problem::ambiguous_path(),
            RouteError::NoRoute => Problem::no_route(),
        })?;
        let (application, origin) = (route.application.clone(), route.origin.clone());
        if ctx.ingress == Ingress::Proxy && origin.is_none() {
            return Err(Problem::no_route());
        }
        ctx.origin = origin;
        ctx.application = Some(application.clone());
        ctx.kind = media::classify(asked.path, request.uri.query());
        if ctx.kind.is_uncounted() && asked.sealed.is_some() && self.listed.lists(application.id.as_str(), asked.path) {
            // Whatever it is called, a manifest listed it as a segment.
            ctx.kind = Kind::Segment;
        }

        // Licences are asked for by POST.
        let may_be_posted = ctx.kind == Kind::Key && request.method == Method::POST;
        if ctx.kind.is_media()
            && !may_be_posted
            && ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method)
        {
            return Err(Problem::method());
        }
        if request.method == Method::OPTIONS {
            // A preflight carries no token and is never counted. Some origins answer it with the file itself, so for media the
            // answer is ours.
            return if ctx.kind.is_media() { Err(Problem::preflight(ctx.kind)) } else { Ok(()) };
        }
        let weight = HeartbeatKind::from_request(ctx.kind, request);
        if weight == HeartbeatKind::Never && asked.sealed.is_none() {
            return Ok(());
        }
        let mut unproven = None;
        if let Some(sealed) = asked.sealed {
            match self.open(sealed, &application, ctx, now) {
                Ok(play) => return self.decide_with_play_session(play, asked, weight, &application, ctx, now).await,
                Err(problem) => unproven = Some(problem),
            }
        }
        match self.identify(asked, &application, &ctx.snapshot.key_sources, ctx.wall).await {
            Some(Ok(Identified { viewer, renewed, reaches_all })) => {
                (ctx.renewed, ctx.token_reaches_all) = (renewed, reaches_all);
                self.decide_with_token(&viewer, asked, weight, &application, ctx, now).await
            }
            Some(Err(error)) if ctx.kind.is_media() => Err(Problem::token(error)),
            Some(Err(_)) => Ok(()),
            None if application.anonymous == Anonymous::Pass || !ctx.kind.is_media() => Ok(()),
            None => Err(unproven.unwrap_or_else(Problem::anonymous)),
        }
    }

    /// Who asks, as the request's token proves it. Asks outside only where something is missing: a key that no set had when
    /// it was last fetched, or the verdict of the operator's own service.
    async fn identify(
        &self,
        asked: &RequestView<'_>,
        application: &Application,
        key_sources: &KeySources,
        wall: Millis,
    ) -> Option<Result<Identified, TokenError>> {
        let identity = application.identity.as_ref()?;
        let facts = asked.facts();
        let mut found = identity.identify(&facts, wall)?;
        let again = match &found {
            Err(TokenError::UnknownKey) => key_sources.refresh(application.id.as_str()).await,
            Err(TokenError::NotCached) => match identity.question(&facts) {
                Some(question) => {
                    key_sources.ask(question).await;
                    true
                }
                None => false,
            },
            _ => false,
        };
        if again {
            found = identity.identify(&facts, wall)?;
        }
        if let Err(TokenError::NotCached) = found {
            found = Err(TokenError::Unavailable);
        }
        if let Err(error) = &found {
            self.metrics.token_errors.with_label_values(&[application.id.as_str(), error.label()]).inc();
        }
        Some(found)
    }

    /// The play behind a sealed play session: what the connection carries, or opened and looked up.
    fn open(
        &self,
        sealed: &str,
        application: &Application,
        ctx: &Context,
        now: Millis,
    ) -> Result<Arc<PlayContext>, Box<Problem>> {
        let keys = &ctx.settings.keys;
        let plays = |stream: &Arc<Stream>| stream.holds(&ctx.settings.streams, now);
        // Age keeps a play session from bringing a stream back. It does not end one that plays.
        let current = |session: &PlaySession, stream: Option<&Arc<Stream>>| {
            !keys.has_expired(session, ctx.wall) || stream.is_some_and(plays)
        };
        // Nor does a key that was taken out of the ring since the connection's play was opened with it.
        if let Some(play) = ctx.cached_session(sealed)
            && play.session.application == application.id
            && play.stream.as_ref().is_some_and(plays)
        {
            return Ok(play);
        }
        let refused = |error: OpenError| {
            self.metrics.play_session_errors.with_label_values(&[error.label()]).inc();
            Problem::play_session(error)
        };
        let mut session = keys.open_of_any_age(sealed).map_err(refused)?;
        if session.application != application.id {
            self.metrics.play_session_errors.with_label_values(&["other_application"]).inc();
            return Err(Problem::foreign_play_session());
        }
        let stream = self.table.find(&session.key, session.stream);
        if !current(&session, stream.as_ref()) {
            return Err(refused(OpenError::Expired));
        }
        // Under seal is wall time, which other gateways and later starts of this one understand.
        session.started = ctx.moment().past(session.started);
        Ok(Arc::new(PlayContext::new(sealed, session, stream)))
    }

    /// A request that carries a play session: the hot path.
    async fn decide_with_play_session(
        &self,
        mut play: Arc<PlayContext>,
        asked: &RequestView<'_>,
        weight: HeartbeatKind,
        application: &Arc<Application>,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        let settings = ctx.settings.clone();
        ctx.play = Some(play.clone());
        self.check_scope(&play, asked, ctx)?;
        let session = &play.session;
        if weight != HeartbeatKind::Never {
            Self::check_blocks(&session.key, &session.device, session.token, session.stream, ctx)?;
        }
        if let Some(split) = self.split_stream(&play, asked, weight, application, &settings, now)? {
            ctx.root = Some(std::mem::replace(&mut play, split));
            ctx.play = Some(play.clone());
            let session = &play.session;
            Self::check_blocks(&session.key, &session.device, session.token, session.stream, ctx)?;
        }
        let stream = play.stream.clone();
        let is_entry = matches!(ctx.kind, Kind::Playlist | Kind::Mpd);
        if is_entry
            && stream.is_none()
            && weight == HeartbeatKind::Counts(Signal::Presence)
            && play.session.has_not_begun()
        {
            return self.start_redirected(&play, asked, application, ctx, now).await;
        }
        if let (HeartbeatKind::Counts(signal), Some(stream)) = (weight, &stream)
            && stream.needs_reevaluation(signal)
        {
            // First media comes before the judgement: from then on the manifest is not waited for any more.
            let _ = stream.heartbeat(signal, now);
            self.reevaluate(&play.session.account, stream, None, application, ctx, now).await?;
        }
        if let (HeartbeatKind::Counts(signal), Some(stream)) = (weight, &stream)
            && stream.is_contested(signal)
        {
            let _ = stream.heartbeat(signal, now);
            self.resolve_takeover(&play.session.account, stream, application, ctx, now).await?;
        }
        match (weight, stream) {
            (HeartbeatKind::Never, _) => Ok(()),
            (HeartbeatKind::Counts(signal), Some(stream)) if stream.heartbeat(signal, now) => {
                self.check_download_rate(&stream, application, ctx, now)?;
                ctx.annotations = stream.annotations();
                ctx.in_flight = Some(InFlightGuard::new(stream, signal, &self.clock));
                Ok(())
            }
            (HeartbeatKind::Checked, Some(stream)) if stream.holds(&settings.streams, now) => Ok(()),
            (HeartbeatKind::Checked, _) => {
                let candidate = candidate(&play.session, asked.evidence(0, 0));
                match self.table.terminated(&candidate.account, candidate.stream, now).await {
                    Ok(Some(cause)) => Err(Problem::refused(&Refusal::Terminated(cause))),
                    Ok(None) | Err(_) => Ok(()),
                }
            }
            (HeartbeatKind::Counts(signal), _) => {
                let candidate = candidate(&play.session, asked.evidence(0, 0));
                // The start of a second client's stream is not what the play session says that both carry.
                let is_sealed = !play.sealed.is_empty() && ctx.root.is_none();
                let (policies, windows) = (&application.policies, &settings.streams);
                let admission = async {
                    if is_sealed {
                        self.table.resume(&candidate, policies, windows, now).await
                    } else {
                        self.table.resume_unsealed(&candidate, policies, windows, now).await
                    }
                };
                let play = |stream| PlayContext::new(&play.sealed, play.session.clone(), stream);
                self.finish_admission(admission, signal, ctx, now, play).await
            }
        }
    }

    /// A start with a play session that has not begun: an origin redirected to this manifest.
    async fn start_redirected(
        &self,
        play: &PlayContext,
        asked: &RequestView<'_>,
        application: &Arc<Application>,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        let settings = ctx.settings.clone();
        let asset = PlaySession::asset_name(asked.path);
        let stream = StreamId(self.entropy.bytes());
        let session = PlaySession { stream, asset, started: now, ..play.session.clone() };
        ctx.starts = true;
        let moment = ctx.moment();
        // A play session that has not begun is as good as a token: whoever brings the same again is the same.
        let token = media_hash(&[play.sealed.as_bytes()]) | 1;
        let start = candidate(&session, asked.evidence(token, 0));
        let admission = self.table.start(&start, &application.policies, &settings.streams, now);
        self.finish_admission(admission, Signal::Presence, ctx, now, |stream| {
            minted(session, stream, &settings, moment)
        })
        .await
    }

    /// A request with a token and without a play session.
    async fn decide_with_token(
        &self,
        viewer: &Viewer,
        asked: &RequestView<'_>,
        weight: HeartbeatKind,
        application: &Arc<Application>,
        ctx: &mut Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        if weight == HeartbeatKind::Never {
            return Ok(());
        }
        // Without a play session, words are no reason to take a slot.
        let weight = match weight {
            HeartbeatKind::Counts(_) if ctx.kind == Kind::Subtitle && ctx.ingress == Ingress::Proxy => {
                HeartbeatKind::Checked
            }
            weight => weight,
        };
        let mut entry = matches!(ctx.kind, Kind::Playlist | Kind::Mpd);
        let settings = ctx.settings.clone();
        let mint = application.identity.as_ref().is_none_or(|identity| identity.mapping().stream.mint);
        let mut named = self.named_stream(viewer, application);
        let mut belongs = None;
        if named.is_none() && ctx.ingress == Ingress::ForwardAuth && (entry || weight != HeartbeatKind::Checked) {
            match self.match_stream(viewer, asked.path, ctx.kind, application, now).await {
                StreamMatch::To(stream, known) => (entry, belongs) = (false, Some((stream, known))),
                StreamMatch::Again(stream) => named = Some(stream),
                StreamMatch::Nothing => {}
            }
        }
        let fresh = |stream: StreamId, asset: &str| PlaySession {
            stream,
            account: viewer.account.clone(),
            key: viewer.key,
            application: application.id.clone(),
            device: viewer.device.clone(),
            asset: PlaySession::asset_name(asset),
            started: now,
            attributes: viewer.attributes.clone(),
            token: viewer.token,
            scope: viewer.scope.clone(),
        };
        if entry {
            let named = named.or_else(|| (!mint).then(|| asset_stream_id(viewer, application, asked.path)));
            let session = fresh(named.unwrap_or_else(|| StreamId(self.entropy.bytes())), asked.path);
            let start = candidate(&session, asked.evidence(viewer.fingerprint, viewer.issued));
            // For the log.
            let known = named.and_then(|named| self.table.find(&viewer.key, named));
            let play = Arc::new(PlayContext::new("", session.clone(), known));
            ctx.play = Some(play.clone());
            Self::check_blocks(&session.key, &session.device, session.token, session.stream, ctx)?;
            if let Some(split) = self.split_stream(&play, asked, weight, application, &settings, now)? {
                return self.decide_with_play_session(split, asked, weight, application, ctx, now).await;
            }
            // Where something names the stream and the token reaches every request by itself, nothing has to be minted. Where it
            // does not, a play session carries the name on.
            let carried = ctx.ingress == Ingress::ForwardAuth || named.is_some() && (ctx.token_reaches_all || !mint);
            let moment = ctx.moment();
            let seal = |session: &PlaySession| {
                if carried { String::new() } else { sealed(session, &settings, moment) }
            };
            if weight == HeartbeatKind::Checked || is_speculative(asked.request) {
                // A HEAD or a prefetch learns what a start would be told, and takes nothing. What was prefetched may be
                // played later, so it carries a play session that competes when media is asked for.
                let answer = self.table.consider(&start, &application.policies, &settings.streams, now).await;
                if let Ok(Some(refusal)) = answer {
                    self.record_refusal(&refusal, &viewer.key, ctx);
                    return Err(Problem::refused(&refusal));
                }
                ctx.play = Some(Arc::new(PlayContext::new(&seal(&session), session, None)));
                return Ok(());
            }
            ctx.starts = true;
            let admission = self.table.start(&start, &application.policies, &settings.streams, now);
            let carry = |stream: Option<Arc<Stream>>| {
                let session = continued(session.clone(), stream.as_deref());
                PlayContext::new(&seal(&session), session, stream)
            };
            self.finish_admission(admission, Signal::Presence, ctx, now, carry).await?;
            if let Some(stream) = ctx.play.as_ref().and_then(|play| play.stream.clone())
                && !ctx.reserved
            {
                // It goes on with a stream that is there, and may bring a token that says more.
                let told = (&viewer.attributes, &*start.asset);
                self.update_attributes(&viewer.account, &stream, told, application, ctx, now).await?;
            }
            return Ok(());
        }
        if weight == HeartbeatKind::Checked && named.is_none() {
            // Which stream an initialisation segment or a key belongs to, nobody can tell.
            let nothing = StreamId([0; 16]);
            return Self::check_blocks(&viewer.key, &viewer.device, viewer.token, nothing, ctx);
        }
        // The token names the stream; or a manifest could not be rewritten, and all that its requests have in common is the
        // device: then they belong to what it plays.
        let playing = || self.table.find_of_device(&viewer.key, &application.id, &viewer.device);
        let known = named.and_then(|named| self.table.find(&viewer.key, named));
        // A name that viewers choose counts from the entry on. Elsewhere a new one is no reason to leave what the device plays.
        let (stream, asset, known) = if let Some((stream, known)) = belongs {
            (stream, "unknown", known)
        } else if let Some(stream) = named
            && (known.is_some() || !Self::viewers_choose_names(application) || playing().is_none())
        {
            (stream, asked.path, known)
        } else {
            let playing = playing();
            let stream = playing.as_ref().map_or_else(|| device_stream_id(viewer, application), |stream| stream.id);
            (stream, "unknown", playing.or_else(|| self.table.find(&viewer.key, stream)))
        };
        let play = Arc::new(PlayContext::new("", fresh(stream, asset), known));
        // For the log.
        ctx.play = Some(play.clone());
        if let Some(stream) = &play.stream {
            // A segment says nothing of another asset.
            let told = (&viewer.attributes, &*stream.asset);
            self.update_attributes(&viewer.account, stream, told, application, ctx, now).await?;
        }
        self.decide_with_play_session(play, asked, weight, application, ctx, now).await
    }

    /// The stream that something names. Names that viewers can choose at will are not let fill the table: beyond a number of
    /// streams in one account, new names count as none.
    fn named_stream(&self, viewer: &Viewer, application: &Application) -> Option<StreamId> {
        let named = viewer.session?;
        let full = || self.table.find(&viewer.key, named).is_none() && self.table.streams_of(&viewer.key) >= MAX_NAMED;
        (!Self::viewers_choose_names(application) || !full()).then_some(named)
    }

    /// Whether viewers name streams themselves.
    fn viewers_choose_names(application: &Application) -> bool {
        application.identity.as_ref().is_some_and(|identity| !identity.mapping().stream.is_of_token_alone())
    }

    /// Waits for an admission and turns it into the request's fate.
    async fn finish_admission(
        &self,
        admission: impl Future<Output = Result<AdmissionOutcome, crate::streams::store::Unavailable>>,
        signal: Signal,
        ctx: &mut Context,
        now: Millis,
        play: impl FnOnce(Option<Arc<Stream>>) -> PlayContext,
    ) -> Result<(), Box<Problem>> {
        let timer = self.metrics.decision.start_timer();
        let admission = admission.await;
        timer.observe_duration();
        match admission {
            Ok(AdmissionOutcome::Admitted { stream, created }) => {
                if signal == Signal::Playback {
                    stream.heartbeat(signal, now);
                }
                ctx.reserved = created && ctx.starts;
                ctx.taken = created && (ctx.starts || ctx.prefix_length == 0);
                self.count_split(ctx, created, "split");
                ctx.in_flight = Some(InFlightGuard::new(stream.clone(), signal, &self.clock));
                ctx.annotations = stream.annotations();
                ctx.play = Some(Arc::new(play(Some(stream))));
                Ok(())
            }
            Ok(AdmissionOutcome::Refused(refusal)) => {
                self.count_split(ctx, true, "refused");
                // For the log: whose request it was.
                let play = play(None);
                self.record_refusal(&refusal, &play.session.key, ctx);
                ctx.play = Some(Arc::new(play));
                Err(Problem::refused(&refusal))
            }
            // Nobody could decide. A viewer is not refused for our own trouble; the table counts it.
            Err(_) => {
                ctx.reason = "undecided";
                ctx.play = Some(Arc::new(play(None)));
                Ok(())
            }
        }
    }

    /// A path that said nothing, or something else, answers with media: decides as if that had been known, now that the origin
    /// has answered.
    pub(crate) async fn decide_late(
        &self,
        asked: &RequestView<'_>,
        kind: Kind,
        ctx: &mut Context,
    ) -> Result<(), Box<Problem>> {
        ctx.kind = kind;
        let Some(application) = ctx.application.clone() else { return Ok(()) };
        let (now, weight) = (self.clock.now(), HeartbeatKind::from_request(kind, asked.request));
        if let Some(play) = ctx.root.take().or_else(|| ctx.play.clone()) {
            return self.decide_with_play_session(play, asked, weight, &application, ctx, now).await;
        }
        match self.identify(asked, &application, &ctx.snapshot.key_sources, ctx.wall).await {
            Some(Ok(Identified { viewer, renewed, reaches_all })) => {
                (ctx.renewed, ctx.token_reaches_all) = (renewed, reaches_all);
                self.decide_with_token(&viewer, asked, weight, &application, ctx, now).await
            }
            Some(Err(error)) => Err(Problem::token(error)),
            None if application.anonymous == Anonymous::Pass => Ok(()),
            None => Err(Problem::anonymous()),
        }
    }

    /// The origin sends the viewer elsewhere. A redirect is not a play: what the request took is given back, and where it
    /// leads to is the start. A start leaves behind a play session that has not begun, for `Location` to carry.
    ///
    /// Media of a play session is a heartbeat wherever it is fetched from; so is media that another host serves
    /// (`elsewhere`), for no other request of it will come here.
    pub(crate) async fn redirected(&self, elsewhere: bool, ctx: &mut Context) {
        let plays = elsewhere && ctx.kind.signal() == media::Signal::Playback;
        if !ctx.taken || plays {
            return;
        }
        let started = if ctx.starts { ctx.play.clone() } else { None };
        self.roll_back(ctx).await;
        if let Some(play) = started.filter(|play| !play.sealed.is_empty()) {
            let session = play.session.not_begun(StreamId(self.entropy.bytes()));
            let sealed = sealed(&session, &ctx.settings, ctx.moment());
            ctx.play = Some(Arc::new(PlayContext::new(&sealed, session, None)));
        }
    }

    /// Gives back what a request took that the origin did not honour.
    pub(crate) async fn roll_back(&self, ctx: &mut Context) {
        if let Some(watch) = &mut ctx.in_flight {
            watch.spoil();
        }
        ctx.reserved = false;
        if !std::mem::take(&mut ctx.taken) {
            return;
        }
        // The watch would count as a sign of life until this request is gone.
        ctx.in_flight = None;
        if let Some(play) = ctx.play.take() {
            let PlayContext { session, .. } = &*play;
            if self.table.give_back(&session.account, session.stream, self.clock.now()).await.is_err() {
                tracing::warn!(stream = %session.stream, "a start could not be taken back in time; its reservation runs out");
            }
        }
    }

    /// What the log calls this outcome of a refusal.
    pub(crate) fn set_outcome(ctx: &mut Context, problem: &Problem) {
        ctx.outcome = problem.outcome;
        ctx.reason = problem.reason;
    }

    /// The outcome of a request that passes.
    pub(crate) fn pass_outcome(ctx: &Context) -> Outcome {
        if ctx.annotations.is_none() { Outcome::Passed } else { Outcome::Annotated }
    }
}

/// A start that goes on with an older stream carries that one's play session.
fn continued(session: PlaySession, stream: Option<&Stream>) -> PlaySession {
    match stream {
        Some(stream) => PlaySession { stream: stream.id, started: stream.started, ..session },
        None => session,
    }
}

/// What a start is admitted with, under a play session of its own.
fn minted(session: PlaySession, stream: Option<Arc<Stream>>, settings: &Settings, moment: Moment) -> PlayContext {
    let session = continued(session, stream.as_deref());
    PlayContext::new(&sealed(&session, settings, moment), session, stream)
}

/// The session as it stands in a path. Under seal is wall time, which other gateways and later starts of this one understand.
fn sealed(session: &PlaySession, settings: &Settings, moment: Moment) -> String {
    settings.keys.seal(&PlaySession { started: moment.to_wall(session.started), ..session.clone() })
}

fn candidate(session: &PlaySession, client: ClientEvidence) -> AdmissionRequest {
    AdmissionRequest {
        stream: session.stream,
        account: session.account.clone(),
        application: session.application.clone(),
        device: session.device.clone(),
        asset: session.asset.clone(),
        started: session.started,
        attributes: session.attributes.clone(),
        client,
    }
}

/// The stream of an account's device and an asset, where nothing names it and nothing is minted.
fn asset_stream_id(viewer: &Viewer, application: &Application, asset: &str) -> StreamId {
    let device = device(viewer);
    let parts = format!("{:?}\0{device}\0{}", viewer.key, PlaySession::asset_name(asset));
    StreamId(Account::new(application.id.as_str(), parts).key().0)
}

fn device(viewer: &Viewer) -> Cow<'_, str> {
    match &viewer.device {
        Device::Named(name) => Cow::Borrowed(&**name),
        Device::Hint(hint) => Cow::Owned(format!("{hint:x}")),
    }
}

/// The one stream of a device whose requests come with a token and without a play session.
fn device_stream_id(viewer: &Viewer, application: &Application) -> StreamId {
    let device = device(viewer);
    StreamId(Account::new(application.id.as_str(), format!("{:?}\0{device}", viewer.key)).key().0)
}
