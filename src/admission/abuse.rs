//! Refuses abuse of play sessions: by blocked viewers, from two clients at once, or faster than real time.

use std::sync::Arc;

use super::Admission;
use super::decision::{Permit, Subject};
use super::play_context::PlayContext;
use super::problem::Problem;
use super::request_view::{HeartbeatKind, RequestView};
use crate::config::{Application, DownloadRate, Sharing};
use crate::identity::{PlaySession, TokenId};
use crate::media::Kind;
use crate::model::{AccountKey, Device, Millis, StreamId};
use crate::streams::{SharingVerdict, Signal, Stream};

impl Admission {
    /// Refuses a blocked play session.
    pub(super) fn check_blocks(session: &PlaySession, view: &RequestView<'_>) -> Result<(), Box<Problem>> {
        Self::check_blocked(&session.account.key(), &session.device, session.token, session.stream, view)
    }

    /// Refuses a blocked account, device, token or stream.
    pub(super) fn check_blocked(
        account: &AccountKey,
        device: &Device,
        token: Option<TokenId>,
        stream: StreamId,
        view: &RequestView<'_>,
    ) -> Result<(), Box<Problem>> {
        let blocks = view.config.blocks.load();
        match blocks.blocked(account, device, token, stream, view.arrival.moment.wall) {
            Some(block) => Err(Problem::blocked(block)),
            None => Ok(()),
        }
    }

    /// The separate stream of a second client of a play session. `None` if the request stays with the first client's.
    pub(super) fn split_stream(
        &self,
        play: &PlayContext,
        heartbeat: HeartbeatKind,
        view: &RequestView<'_>,
        application: &Application,
    ) -> Result<Option<Arc<PlayContext>>, Box<Problem>> {
        if heartbeat == HeartbeatKind::Never || application.sharing == Sharing::Allow {
            return Ok(None);
        }
        let key = &play.session.account.key();
        let media = || (heartbeat == HeartbeatKind::Counts(Signal::Playback)).then(|| view.media());
        let other = match play
            .stream
            .as_ref()
            .map(|stream| stream.classify_client(view.client(), media, &view.settings().streams, view.now))
        {
            Some(SharingVerdict::Owner | SharingVerdict::Guest) => return Ok(None),
            Some(SharingVerdict::Other(other)) => other,
            // The first stream was removed; a client that was split from it keeps its own.
            None => match view.client().split_from(play.session.stream) {
                other if self.table.find(key, other).is_some() => other,
                _ => return Ok(None),
            },
        };
        if application.sharing == Sharing::Refuse {
            self.metrics.shared.with_label_values(&[application.id.as_str(), "refused"]).inc();
            return Err(Problem::shared());
        }
        let known = self.table.find(key, other);
        // It starts now: the stream that it was split from came first. It gets its own device, whatever the token says:
        // otherwise requests of the first client could be attributed to it.
        let device = Device::Hint(u64::from_be_bytes(other.0.first_chunk().copied().unwrap_or_default()));
        // Makes policies that count devices count it.
        let named = [(Arc::from("deviceId"), Arc::from(format!("split:{other}")))];
        let rest = play.session.attributes.iter().map(|(name, value)| (name.into(), value.into()));
        let attributes = named.into_iter().chain(rest).collect();
        let session = PlaySession { stream: other, started: view.now, device, attributes, ..play.session.clone() };
        Ok(Some(Arc::new(PlayContext::new(play.sealed(), session, known))))
    }

    /// Counts the outcome of a second client's request.
    pub(super) fn count_split(&self, subject: &Subject, is_news: bool, action: &str) {
        if let (Some(_), Some(application), true) = (&subject.shared_play, &subject.application, is_news) {
            self.metrics.shared.with_label_values(&[application.id.as_str(), action]).inc();
        }
    }

    /// Refuses a manifest outside the scope of the token that the play session was created with.
    pub(super) fn check_scope(
        &self,
        play: &PlayContext,
        kind: Kind,
        view: &RequestView<'_>,
    ) -> Result<(), Box<Problem>> {
        if !kind.is_manifest() || play.session.scope.covers(view.path) {
            return Ok(());
        }
        self.metrics.play_session_errors.with_label_values(&["out_of_scope"]).inc();
        Err(Problem::out_of_scope())
    }

    /// Refuses segments that are downloaded too fast, if the application is configured so.
    pub(super) fn check_download_rate(
        &self,
        stream: &Stream,
        kind: Kind,
        application: &Application,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        let refuses = application.download_rate == DownloadRate::Refuse && kind == Kind::Segment;
        if !refuses || !stream.exceeds_download_rate(application.max_download_rate, now) {
            return Ok(());
        }
        self.metrics.download_rate_exceeded.with_label_values(&[application.id.as_str(), "refused"]).inc();
        Err(Problem::too_fast())
    }

    /// Adds a segment to the stream's download rate. Segments that the origin does not have are not counted, however
    /// often a player retries them.
    pub(crate) fn record_download(&self, subject: &Subject, permit: Option<&Permit>) {
        let stream = subject.play.as_ref().and_then(|play| play.stream.as_ref());
        let (Some(stream), Some(application), Kind::Segment) = (stream, &subject.application, subject.kind) else {
            return;
        };
        if permit.is_some_and(|permit| permit.in_flight.is_some())
            && stream.record_download(application.max_download_rate, self.clock.now())
            && stream.first_download_rate_excess()
        {
            self.metrics.download_rate_exceeded.with_label_values(&[application.id.as_str(), "noticed"]).inc();
            tracing::info!(stream = %stream.id, application = %application.id, "downloaded much faster than it plays");
        }
    }
}
