//! Attributes of a stream, its view for policies, and when to evaluate it again.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use smallvec::SmallVec;

use super::Stream;
use super::silence::CONTESTED;
use crate::model::{Account, Attributes, Millis};
use crate::policy::{Content, Decision, Mode, RequiredLimit, RequiredLimits, StreamView, Violation};
use crate::streams::admission_request::{AdmissionRequest, Signal};
use crate::streams::attribute_update::{AttributeUpdate, LEARNED_AGAIN};

const LIVE: u8 = 1;
const VOD: u8 = 2;

/// A rule depends on the manifest or on the first media request.
const DEFERRED: u8 = 1;
/// A rule uses the content type of the manifest.
const ASKS_CONTENT: u8 = 2;
/// The manifest has changed the content type since the last evaluation.
const NEWS: u8 = 4;

impl Stream {
    /// The admission request that would start this stream anew.
    pub fn admission_request(&self, account: &Account) -> AdmissionRequest {
        AdmissionRequest {
            stream: self.id,
            account: account.clone(),
            application: self.application.clone(),
            device: self.device.clone(),
            asset: self.asset.clone(),
            started: self.started,
            attributes: self.attributes(),
            client: self.client,
        }
    }

    /// Its attributes, without those from its manifests.
    pub fn attributes(&self) -> Attributes {
        self.inputs.lock().attributes.clone()
    }

    /// The attributes after adding `news`. Another asset means another play under the same id, for which nothing is
    /// immutable. Declared streams are identified by their application, not by the path of the manifest.
    pub fn attribute_update(&self, news: &Attributes, asset: &str) -> AttributeUpdate {
        AttributeUpdate::compute(&self.attributes(), news, *asset != *self.asset && !self.is_declared())
    }

    pub(in crate::streams) fn set_attributes(&self, attributes: Attributes) {
        self.inputs.lock().attributes = attributes;
    }

    /// The content type for policies.
    fn content_for_policies(&self) -> Content {
        match self.content.load(SeqCst) {
            LIVE => Content::Live,
            VOD => Content::Vod,
            // Its manifest may never pass this gateway.
            _ if self.is_declared() => Content::Unknown,
            _ if self.playback.load(SeqCst) == 0 || self.came_from_elsewhere() => Content::Pending,
            _ => Content::Unknown,
        }
    }

    /// Its view for policies; `tenure` is the start of its slot.
    pub(in crate::streams) fn view(&self, tenure: Millis) -> StreamView<'_> {
        let inputs = self.inputs.lock();
        let content = self.content_for_policies();
        StreamView {
            stream: self.id,
            application: &self.application,
            device: self.device.name(),
            asset: &self.asset,
            attributes: inputs.attributes.clone(),
            content,
            started: self.started,
            tenure,
            seen: self.last_seen(),
            ranks: inputs.ranks.as_deref().cloned().unwrap_or_default(),
        }
    }

    /// Stores the results of a decision: violations, required limits, and whether to evaluate it again. Returns the
    /// required limits that are new. `starts` is true if the decision gives it its slot.
    pub(in crate::streams) fn record_decision<'a>(
        &self,
        decision: &'a Decision,
        starts: bool,
    ) -> SmallVec<[&'a RequiredLimit; 4]> {
        let annotating = decision.violations.iter().filter(|violation| violation.mode == Mode::Annotate);
        // A reevaluation reports only changes: earlier violations still apply.
        let before = if starts { None } else { self.annotations() };
        let annotating: Vec<Violation> = before.iter().flat_map(|all| all.iter()).chain(annotating).cloned().collect();
        self.annotations.store((!annotating.is_empty()).then(|| Arc::new(annotating)));
        let deferred = if decision.deferred { DEFERRED } else { 0 };
        let pending = deferred | if decision.asks_content { ASKS_CONTENT } else { 0 };
        // A change by the manifest during the evaluation is still pending.
        let keep_news = |before: u8| Some(before & (NEWS | CONTESTED) | pending);
        let before = self.pending.fetch_update(SeqCst, SeqCst, keep_news).unwrap_or_else(|before| before);
        let waited = before & (DEFERRED | ASKS_CONTENT) != 0;
        let mut inputs = self.inputs.lock();
        // At a reevaluation, required limits of rules that had not waited were already reported.
        let before = inputs.ranks.take().unwrap_or_default();
        let news = decision.required_limits.iter().filter(|demand| starts || waited && !before.has(demand.key));
        let news = news.collect();
        let ranks = decision.required_limits.iter().map(|demand| (demand.key, demand.limit));
        let ranks: RequiredLimits = if pending == 0 { ranks.collect() } else { RequiredLimits::complete(ranks) };
        inputs.ranks = (!ranks.is_empty()).then(|| Box::new(ranks));
        inputs.content = decision.content;
        news
    }

    /// True if the stream must be evaluated again at this `signal`: its manifest has changed something that a rule
    /// uses, or a rule waited for the manifest and media is played without one.
    #[inline]
    pub fn needs_reevaluation(&self, signal: Signal) -> bool {
        let pending = self.pending.load(Relaxed);
        let ends_waiting = || signal == Signal::Playback && !self.came_from_elsewhere();
        pending & NEWS != 0 || pending & DEFERRED != 0 && ends_waiting()
    }

    /// Clears the pending change before an evaluation. Returns true if there was one.
    pub(in crate::streams) fn take_pending(&self) -> bool {
        self.pending.fetch_and(!NEWS, SeqCst) & (DEFERRED | NEWS) != 0
    }

    /// The evaluation failed: the change is still pending.
    pub(in crate::streams) fn restore_pending(&self) {
        self.pending.fetch_or(NEWS, SeqCst);
    }

    /// Makes manifest changes trigger an evaluation.
    pub(in crate::streams) fn watch_content(&self) {
        let mut inputs = self.inputs.lock();
        if self.pending.fetch_or(ASKS_CONTENT, SeqCst) & ASKS_CONTENT == 0 {
            inputs.content = self.content_for_policies();
        }
    }

    /// The content type at the last evaluation.
    pub(in crate::streams) fn evaluated_content(&self) -> Content {
        self.inputs.lock().content
    }

    /// True if a token may change attributes now, which is recorded. Two tokens that alternate on one stream, or a
    /// value that differs per request, must not cause an evaluation each time.
    pub fn may_update_attributes(&self, now: Millis) -> bool {
        let mut inputs = self.inputs.lock();
        let may = now.since(inputs.learned) >= LEARNED_AGAIN || inputs.learned == Millis(0);
        if may {
            inputs.learned = now;
        }
        may
    }

    /// True if its entry manifest was requested from another gateway, or before a restart: its content is unknown, and
    /// the player may never request it again.
    fn came_from_elsewhere(&self) -> bool {
        self.entry.load(SeqCst) == 0
    }

    /// The violations of annotating policies when it last took its slot; `None` if there were none.
    pub fn annotations(&self) -> Option<Arc<Vec<Violation>>> {
        // Usually there are none, which avoids a reference count.
        if self.annotations.load().is_none() { None } else { self.annotations.load_full() }
    }

    /// `live` or `vod`, once a manifest has shown it.
    pub fn content(&self) -> Option<&'static str> {
        match self.content.load(Relaxed) {
            LIVE => Some("live"),
            VOD => Some("vod"),
            _ => None,
        }
    }

    /// Applies the content type of a manifest or a snapshot.
    ///
    /// Live is final: advertisements, other content under the same play session, and the playlist of an ended event are
    /// not live.
    pub(in crate::streams) fn set_content(&self, live: bool) {
        if !live && self.content.load(SeqCst) == LIVE {
            return;
        }
        let content = if live { LIVE } else { VOD };
        if self.content.swap(content, SeqCst) != content && self.pending.load(SeqCst) & ASKS_CONTENT != 0 {
            self.pending.fetch_or(NEWS, SeqCst);
        }
    }
}
