//! What a play session may not be used for: by those who are blocked, from two places at once, faster than it plays.

use std::sync::Arc;

use super::Admission;
use super::context::{Context, PlayContext};
use super::problem::Problem;
use super::request_view::{HeartbeatKind, RequestView};
use crate::config::{Application, DownloadRate, Settings, Sharing};
use crate::identity::{PlaySession, TokenId};
use crate::media::Kind;
use crate::model::{AccountKey, Device, Millis, StreamId};
use crate::streams::{SharingVerdict, Signal, Stream};

impl Admission {
    /// Refuses what is blocked.
    pub(super) fn check_blocks(
        account: &AccountKey,
        device: &Device,
        token: Option<TokenId>,
        stream: StreamId,
        ctx: &Context,
    ) -> Result<(), Box<Problem>> {
        let blocks = ctx.snapshot.blocks.load();
        match blocks.blocked(account, device, token, stream, ctx.wall) {
            Some(block) => Err(Problem::blocked(block)),
            None => Ok(()),
        }
    }

    /// The stream of its own that a second client of a play session has been given, if this is one.
    pub(super) fn split_stream(
        &self,
        play: &PlayContext,
        asked: &RequestView<'_>,
        weight: HeartbeatKind,
        application: &Application,
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<Arc<PlayContext>>, Box<Problem>> {
        if weight == HeartbeatKind::Never || application.sharing == Sharing::Allow {
            return Ok(None);
        }
        let key = &play.session.key;
        let media = || (weight == HeartbeatKind::Counts(Signal::Playback)).then(|| asked.media());
        let other = match play
            .stream
            .as_ref()
            .map(|stream| stream.classify_client(asked.client(), media, &settings.streams, now))
        {
            Some(SharingVerdict::Owner | SharingVerdict::Guest) => return Ok(None),
            Some(SharingVerdict::Other(other)) => other,
            // The first stream is forgotten; whoever was split off from it goes on with its own.
            None => match asked.client().split_from(play.session.stream) {
                other if self.table.find(key, other).is_some() => other,
                _ => return Ok(None),
            },
        };
        if application.sharing == Sharing::Refuse {
            self.metrics.shared.with_label_values(&[application.id.as_str(), "refused"]).inc();
            return Err(Problem::shared());
        }
        let known = self.table.find(key, other);
        // It begins now: the stream that it was split from came first. And it is another device, whatever the token calls
        // it: what the first one starts or asks for must not be taken for this one's.
        let device = Device::Hint(u64::from_be_bytes(other.0.first_chunk().copied().unwrap_or_default()));
        // Policies that count devices count it, too.
        let named = [(Arc::from("deviceId"), Arc::from(format!("split:{other}")))];
        let rest = play.session.attributes.iter().map(|(name, value)| (name.into(), value.into()));
        let attributes = named.into_iter().chain(rest).collect();
        let session = PlaySession { stream: other, started: now, device, attributes, ..play.session.clone() };
        Ok(Some(Arc::new(PlayContext::new(&play.sealed, session, known))))
    }

    /// Counts what became of a second client, where the request is one's.
    pub(super) fn count_split(&self, ctx: &Context, is_news: bool, action: &str) {
        if let (Some(_), Some(application), true) = (&ctx.root, &ctx.application, is_news) {
            self.metrics.shared.with_label_values(&[application.id.as_str(), action]).inc();
        }
    }

    /// A manifest that the token was not good for is not asked for with the play session that it led to.
    pub(super) fn check_scope(
        &self,
        play: &PlayContext,
        asked: &RequestView<'_>,
        ctx: &Context,
    ) -> Result<(), Box<Problem>> {
        if !ctx.kind.is_manifest() || play.session.scope.covers(asked.path) {
            return Ok(());
        }
        self.metrics.play_session_errors.with_label_values(&["out_of_scope"]).inc();
        Err(Problem::out_of_scope())
    }

    /// Refuses what is pulled too fast, where the application says so.
    pub(super) fn check_download_rate(
        &self,
        stream: &Stream,
        application: &Application,
        ctx: &Context,
        now: Millis,
    ) -> Result<(), Box<Problem>> {
        let refuses = application.download_rate == DownloadRate::Refuse && ctx.kind == Kind::Segment;
        if !refuses || !stream.exceeds_download_rate(application.max_download_rate, now) {
            return Ok(());
        }
        self.metrics.ripping.with_label_values(&[application.id.as_str(), "refused"]).inc();
        Err(Problem::too_fast())
    }

    /// A segment is on its way: it adds to the stream's pace. One that the origin did not have adds nothing, however often a
    /// player asks for it again.
    pub(crate) fn record_download(&self, ctx: &Context) {
        let stream = ctx.play.as_ref().and_then(|play| play.stream.as_ref());
        let (Some(stream), Some(application), Kind::Segment) = (stream, &ctx.application, ctx.kind) else { return };
        if ctx.in_flight.is_some()
            && stream.record_download(application.max_download_rate, self.clock.now())
            && stream.first_download_rate_excess()
        {
            self.metrics.ripping.with_label_values(&[application.id.as_str(), "noticed"]).inc();
            tracing::info!(stream = %stream.id, application = %application.id, "pulled much faster than it plays");
        }
    }
}
