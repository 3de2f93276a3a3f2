//! What is known of a stream, how policies see it, and whether it has to be judged again.

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

/// A rule waits for what the manifest will say, or for the first media.
const DEFERRED: u8 = 1;
/// A rule asks for what the manifest says.
const ASKS_CONTENT: u8 = 2;
/// The manifest has said something new since it was judged.
const NEWS: u8 = 4;

impl Stream {
    /// Who plays what, as of now: what would have to start anew.
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

    /// What is known of it. What its manifests say comes on top.
    pub fn attributes(&self) -> Attributes {
        self.inputs.lock().attributes.clone()
    }

    /// What would be known of it, were `news` known as well. With another asset it is another play under the same name, of
    /// which nothing is frozen yet; but what an application has declared is named by the application, and not by the path of
    /// its manifest.
    pub fn attribute_update(&self, news: &Attributes, asset: &str) -> AttributeUpdate {
        AttributeUpdate::compute(&self.attributes(), news, *asset != *self.asset && !self.is_declared())
    }

    pub(in crate::streams) fn set_attributes(&self, attributes: Attributes) {
        self.inputs.lock().attributes = attributes;
    }

    /// What policies know of its content.
    fn content_for_policies(&self) -> Content {
        match self.content.load(SeqCst) {
            LIVE => Content::Live,
            VOD => Content::Vod,
            // No manifest of it need ever pass here.
            _ if self.is_declared() => Content::Unknown,
            _ if self.playback.load(SeqCst) == 0 || self.came_from_elsewhere() => Content::Pending,
            _ => Content::Unknown,
        }
    }

    /// How policies see it; `tenure` is since when it has held its slot.
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

    /// Notes what a decision about it leaves behind: what it exceeded, what it took of each rule, whether it has to be judged
    /// again. Returns what it took for the first time; `starts` is whether it takes its slot by this decision.
    pub(in crate::streams) fn record_decision<'a>(
        &self,
        decision: &'a Decision,
        starts: bool,
    ) -> SmallVec<[&'a RequiredLimit; 4]> {
        let annotating = decision.violations.iter().filter(|violation| violation.mode == Mode::Annotate);
        // A judgement tells of news alone: what the stream has exceeded since its start it exceeds still.
        let before = if starts { None } else { self.annotations() };
        let annotating: Vec<Violation> = before.iter().flat_map(|all| all.iter()).chain(annotating).cloned().collect();
        self.annotations.store((!annotating.is_empty()).then(|| Arc::new(annotating)));
        let deferred = if decision.deferred { DEFERRED } else { 0 };
        let pending = deferred | if decision.asks_content { ASKS_CONTENT } else { 0 };
        // What the manifest has said while it was judged is still news.
        let keep_news = |before: u8| Some(before & (NEWS | CONTESTED) | pending);
        let before = self.pending.fetch_update(SeqCst, SeqCst, keep_news).unwrap_or_else(|before| before);
        let waited = before & (DEFERRED | ASKS_CONTENT) != 0;
        let mut inputs = self.inputs.lock();
        // A stream that is judged again has told before what it takes of the rules that had not waited.
        let before = inputs.ranks.take().unwrap_or_default();
        let news = decision.required_limits.iter().filter(|demand| starts || waited && !before.has(demand.key));
        let news = news.collect();
        let ranks = decision.required_limits.iter().map(|demand| (demand.key, demand.limit));
        let ranks: RequiredLimits = if pending == 0 { ranks.collect() } else { RequiredLimits::complete(ranks) };
        inputs.ranks = (!ranks.is_empty()).then(|| Box::new(ranks));
        inputs.content = decision.content;
        news
    }

    /// Whether the stream has to be judged again, now that `signal` has come: its manifest has said something new that a rule
    /// asks for, or a rule had waited for that, and media is played without.
    #[inline]
    pub fn needs_reevaluation(&self, signal: Signal) -> bool {
        let pending = self.pending.load(Relaxed);
        let ends_waiting = || signal == Signal::Playback && !self.came_from_elsewhere();
        pending & NEWS != 0 || pending & DEFERRED != 0 && ends_waiting()
    }

    /// What is known of it by now is about to be judged. Returns whether there was anything new to judge.
    pub(in crate::streams) fn take_pending(&self) -> bool {
        self.pending.fetch_and(!NEWS, SeqCst) & (DEFERRED | NEWS) != 0
    }

    /// It could not be judged: what is new is still new.
    pub(in crate::streams) fn restore_pending(&self) {
        self.pending.fetch_or(NEWS, SeqCst);
    }

    /// From now on it is judged when its manifest says something new.
    pub(in crate::streams) fn watch_content(&self) {
        let mut inputs = self.inputs.lock();
        if self.pending.fetch_or(ASKS_CONTENT, SeqCst) & ASKS_CONTENT == 0 {
            inputs.content = self.content_for_policies();
        }
    }

    /// Which content it was last judged by.
    pub(in crate::streams) fn evaluated_content(&self) -> Content {
        self.inputs.lock().content
    }

    /// Whether a token may tell something of it again, and that it now has. Two tokens that take turns on one stream, or a
    /// value that differs with each request, must not have it judged each time.
    pub fn may_update_attributes(&self, now: Millis) -> bool {
        let mut inputs = self.inputs.lock();
        let may = now.since(inputs.learned) >= LEARNED_AGAIN || inputs.learned == Millis(0);
        if may {
            inputs.learned = now;
        }
        may
    }

    /// Whether its entry manifest was asked of another gateway, or before this one was started: what that said is not known
    /// here, and the player may never ask for it again.
    fn came_from_elsewhere(&self) -> bool {
        self.entry.load(SeqCst) == 0
    }

    /// What it exceeded when it last took its slot, of policies that annotate; `None` where it kept all of them.
    pub fn annotations(&self) -> Option<Arc<Vec<Violation>>> {
        // Nearly always there is nothing, and then nothing is counted up or down.
        if self.annotations.load().is_none() { None } else { self.annotations.load_full() }
    }

    /// `live` or `vod`, once a manifest has said which.
    pub fn content(&self) -> Option<&'static str> {
        match self.content.load(Relaxed) {
            LIVE => Some("live"),
            VOD => Some("vod"),
            _ => None,
        }
    }

    /// What a manifest says, or said before the gateway was started anew.
    ///
    /// What is live stays so: the advertisements in between are not, nor is anything else that its player may fetch under the
    /// same play session, nor the playlist of an event that is over.
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
