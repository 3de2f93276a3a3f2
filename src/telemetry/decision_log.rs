//! The memory of what was decided a short while ago, for those who ask why. Bounded in bytes and in time, and never in the
//! way of a request that passes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::{Cache, CacheBuilder};

use crate::config::Settings;
use crate::model::{Account, AccountKey, ApplicationId, Clock, Device, Entropy, Millis, StreamId};
use crate::policy::{Decision, Explanation, Mode};
use crate::streams::{Cause, Event, Observer, Stream};

/// How long a decision is remembered at most.
pub const KEPT: Duration = Duration::from_hours(1);
/// A player that is refused asks again and again: so much time is between two explanations for one account.
const AGAIN: Duration = Duration::from_secs(10);
/// What is remembered of one account at most.
const OF_ACCOUNT: usize = 32;

/// Bytes for refusals of somebody.
const REFUSALS: u64 = 8 << 20;
/// Bytes for refusals that did not happen, which must not push out those that did.
const UNENFORCED: u64 = 4 << 20;
/// Bytes for refusals of nobody, who must not push out the others.
const ANONYMOUS_REFUSALS: u64 = 2 << 20;
/// Bytes for explanations.
const EXPLANATIONS: u64 = 16 << 20;
/// Bytes for explanations of the end of streams.
const ENDS: u64 = 4 << 20;
/// Bytes for what happened to accounts.
const HISTORIES: u64 = 8 << 20;

/// Whether something was refused, or only would be if all rules were enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was refused.
    Refused,
    /// It plays. Rules that are not enforced would have refused it.
    WouldRefuse,
    /// It plays. Rules that are not enforced would have ended other streams for it.
    WouldTerminate,
}

impl Verdict {
    /// What it is called where operators read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WouldRefuse => "would_refuse",
            Self::WouldTerminate => "would_terminate",
        }
    }
}

/// One refusal, or what would have been one.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Whether it was one.
    pub verdict: Verdict,
    /// Its name, which its problem document carries as `refusal`.
    pub id: u64,
    /// When.
    pub at: Millis,
    /// The word for it in logs and metrics.
    pub reason: &'static str,
    /// Whose request it was, as far as that was known.
    pub application: Option<ApplicationId>,
    /// The account, likewise.
    pub account: Option<Account>,
    /// The stream, likewise.
    pub stream: Option<StreamId>,
    /// The device, likewise.
    pub device: Option<Device>,
    /// What was asked for, likewise.
    pub asset: Option<Arc<str>>,
    /// What the viewer was told: a problem document (RFC 9457). Empty where nothing was refused.
    pub problem: Bytes,
}

/// Something that was decided about an account.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When; of several in a row, the last.
    pub at: Millis,
    /// The application that asked, where one did.
    pub application: Option<ApplicationId>,
    /// About which stream, where it was about one.
    pub stream: Option<StreamId>,
    /// On which device.
    pub device: Option<Device>,
    /// What it plays, or wanted to.
    pub asset: Option<Arc<str>>,
    /// What.
    pub what: AuditKind,
}

impl AuditEntry {
    /// Rules that are not enforced would have done it.
    fn is_unenforced(&self) -> bool {
        matches!(self.what, AuditKind::Refused { verdict: Verdict::WouldRefuse | Verdict::WouldTerminate, .. })
    }
}

/// What was decided.
#[derive(Clone, Debug)]
pub enum AuditKind {
    /// It was refused, or would have been.
    Refused {
        /// Which of them.
        verdict: Verdict,
        /// The last of these refusals.
        refusal: u64,
        /// The word for it in logs and metrics.
        reason: &'static str,
        /// The first of them.
        first: Millis,
        /// How many.
        times: u32,
    },
    /// It was terminated.
    Terminated(Cause),
    /// It will be terminated.
    Terminating(Cause),
    /// It was admitted provisionally in the place of another.
    TookOver {
        /// The other stream.
        taken: StreamId,
        /// Why that one was chosen.
        reason: &'static str,
    },
    /// It was decided whether it, or the other one, is played.
    TakeoverSettled {
        /// The other stream.
        taken: StreamId,
        /// What it came to.
        result: &'static str,
    },
    /// An operator did something.
    Ordered {
        /// What.
        what: &'static str,
        /// Who.
        by: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
}

#[derive(Clone, Debug)]
enum Explained {
    /// As JSON.
    Here(Arc<str>),
    /// As another refusal of the account a moment before.
    As(u64),
}

/// Remembers.
pub struct Decisions {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// What is in force.
    settings: ArcSwapOption<Settings>,
    refusals: Cache<u64, Arc<Refused>>,
    strangers: Cache<u64, Arc<Refused>>,
    unenforced: Cache<u64, Arc<Refused>>,
    explanations: Cache<u64, Explained>,
    /// The last explained refusal of each account, of each verdict: they rest on different things.
    explained: Cache<(AccountKey, &'static str), u64>,
    histories: Cache<AccountKey, Arc<[AuditEntry]>>,
    /// On what the end of streams rests, as JSON.
    ends: Cache<StreamId, Arc<str>>,
}

impl Decisions {
    /// Nothing yet. Refusals that did not happen get ids by `entropy`.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let refusals = |bytes| bounded(bytes).weigher(|_, refused: &Arc<Refused>| weight(refused)).build();
        let explanations = bounded(EXPLANATIONS).weigher(|_, explained: &Explained| match explained {
            Explained::Here(text) => bytes(text.len() + 128),
            Explained::As(_) => 128,
        });
        let histories = bounded(HISTORIES).weigher(|_, history: &Arc<[AuditEntry]>| bytes(history.len() * 320 + 128));
        Self {
            clock,
            entropy,
            settings: ArcSwapOption::empty(),
            refusals: refusals(REFUSALS),
            strangers: refusals(ANONYMOUS_REFUSALS),
            unenforced: refusals(UNENFORCED),
            explanations: explanations.build(),
            explained: Cache::builder().max_capacity(10_000).time_to_live(AGAIN).build(),
            histories: histories.build(),
            ends: bounded(ENDS).weigher(|_, text: &Arc<str>| bytes(text.len() + 128)).build(),
        }
    }

    /// Another configuration is in force.
    pub fn configure(&self, settings: &Arc<Settings>) {
        self.settings.store(Some(settings.clone()));
    }

    /// On what a refusal by policy rests. Of refusals of one account in a row only the first is explained: the others rest on
    /// the same, and cost nearly nothing.
    pub fn explain(&self, refusal: u64, account: &AccountKey, explanation: &Explanation) {
        self.explain_as(Verdict::Refused, refusal, account, explanation);
    }

    /// Returns the explanation as JSON where it is the first in a row.
    fn explain_as(
        &self,
        verdict: Verdict,
        refusal: u64,
        account: &AccountKey,
        explanation: &Explanation,
    ) -> Option<Arc<str>> {
        let of_account = (*account, verdict.label());
        if let Some(other) = self.explained.get(&of_account) {
            self.explanations.insert(refusal, Explained::As(other));
            return None;
        }
        let text: Arc<str> = serde_json::to_string(explanation).ok()?.into();
        self.explained.insert(of_account, refusal);
        self.explanations.insert(refusal, Explained::Here(text.clone()));
        Some(text)
    }

    /// A stream plays that rules in shadow or annotate mode would have refused, or for which they would have ended others. An
    /// operator learns whom they would hit before they are enforced.
    fn unenforced(&self, account: &Account, stream: &Stream, decision: &Decision, explanation: &Explanation) {
        let verdict = if decision.would_refuse() { Verdict::WouldRefuse } else { Verdict::WouldTerminate };
        let id = u64::from_be_bytes(self.entropy.bytes().first_chunk().copied().unwrap_or_default());
        let violations = decision.violations.iter().filter(|violation| violation.mode != Mode::Enforce);
        let exceeded = violations.map(|one| (&one.policy, &one.rule, one.mode));
        let lacks = decision.missing_attributes.iter().filter(|lack| lack.mode != Mode::Enforce);
        let rules = exceeded.clone().chain(lacks.map(|lack| (&lack.policy, &lack.rule, lack.mode)));
        let rules: Vec<_> = rules.map(|(policy, rule, mode)| format!("{policy}/{rule} ({})", mode.label())).collect();
        let refused = Refused {
            verdict,
            id,
            at: self.clock.now(),
            reason: if exceeded.count() == 0 { "attribute_missing" } else { "limit" },
            application: Some(stream.application.clone()),
            account: Some(account.clone()),
            stream: Some(stream.id),
            device: Some(stream.device.clone()),
            asset: Some(stream.asset.clone()),
            problem: Bytes::new(),
        };
        let key = account.key();
        let first = self.explain_as(verdict, id, &key, explanation);
        if let Some(settings) = &*self.settings.load() {
            tracing::info!(
                refusal = format!("{id:016x}"),
                stream = %stream.id,
                application = %stream.application,
                account = settings.keys.account_label(&key),
                verdict = verdict.label(),
                reason = refused.reason,
                rules = rules.join(", "),
                explanation = first.as_deref().filter(|_| settings.log.decisions),
                "a rule that is not enforced would refuse this stream or end others for it"
            );
        }
        self.refused(refused);
    }

    /// A request of a stream that was terminated is refused. Returns on what that end rests, as JSON, where it is remembered.
    pub fn explain_end(&self, refusal: u64, stream: StreamId) -> Option<Arc<str>> {
        let text = self.ends.get(&stream)?;
        self.explanations.insert(refusal, Explained::Here(text.clone()));
        Some(text)
    }

    /// A request was refused.
    pub fn refused(&self, refused: Refused) {
        let Refused { verdict, id, at, reason, ref application, ref account, stream, ref device, ref asset, .. } =
            refused;
        if let Some(account) = account {
            let key = account.key();
            let again = |one: &AuditEntry| {
                matches!(one.what, AuditKind::Refused { verdict: its, reason: other, .. } if (its, other) == (verdict, reason))
                    && (&one.application, &one.device, &one.asset) == (application, device, asset)
            };
            self.note(key, |history| {
                let before = history.iter().position(again).map(|nth| history.remove(nth).what);
                let (first, times) = match before {
                    Some(AuditKind::Refused { first, times, .. }) => (first, times.saturating_add(1)),
                    _ => (at, 1),
                };
                let what = AuditKind::Refused { verdict, refusal: id, reason, first, times };
                let (application, device, asset) = (application.clone(), device.clone(), asset.clone());
                history.push(AuditEntry { at, application, stream, device, asset, what });
            });
        }
        let place = match (verdict, &refused.account) {
            (Verdict::WouldRefuse | Verdict::WouldTerminate, _) => &self.unenforced,
            (Verdict::Refused, Some(_)) => &self.refusals,
            (Verdict::Refused, None) => &self.strangers,
        };
        place.insert(id, Arc::new(refused));
    }

    /// An operator did something about an account, or about one of its streams.
    pub fn ordered(
        &self,
        account: &Account,
        stream: Option<StreamId>,
        what: &'static str,
        by: &Arc<str>,
        reason: &Arc<str>,
    ) {
        let what = AuditKind::Ordered { what, by: by.clone(), reason: reason.clone() };
        let at = self.clock.now();
        let happened = AuditEntry { at, application: None, stream, device: None, asset: None, what };
        self.note(account.key(), |history| history.push(happened));
    }

    fn note(&self, account: AccountKey, change: impl FnOnce(&mut Vec<AuditEntry>)) {
        self.histories.entry(account).and_upsert_with(|entry| {
            let mut history = entry.map(|entry| entry.into_value().to_vec()).unwrap_or_default();
            change(&mut history);
            while history.len() > OF_ACCOUNT {
                // What did not happen goes first, but not before it has been noted.
                let earlier = history.len() - 1;
                let unenforced = history.iter().take(earlier).position(AuditEntry::is_unenforced);
                history.remove(unenforced.unwrap_or_default());
            }
            history.into()
        });
    }

    /// The refusal of that name, if it is remembered.
    pub fn refusal(&self, id: u64) -> Option<Arc<Refused>> {
        [&self.refusals, &self.strangers, &self.unenforced].into_iter().find_map(|cache| cache.get(&id))
    }

    /// On what the refusal rests, as JSON, and the refusal that it was written down for: the same, or one of the same account
    /// a moment before.
    pub fn explanation(&self, refusal: u64) -> Option<(u64, Arc<str>)> {
        match self.explanations.get(&refusal)? {
            Explained::Here(text) => Some((refusal, text)),
            Explained::As(other) => match self.explanations.get(&other)? {
                Explained::Here(text) => Some((other, text)),
                Explained::As(_) => None,
            },
        }
    }

    /// What was decided about the account, oldest first.
    pub fn history(&self, account: &AccountKey) -> Arc<[AuditEntry]> {
        let since = self.clock.now() - KEPT;
        let history = self.histories.get(account).unwrap_or_default();
        match history.iter().position(|happened| happened.at >= since) {
            Some(0) => history,
            Some(nth) => history.get(nth..).unwrap_or_default().into(),
            None => Arc::default(),
        }
    }
}

impl Observer for Decisions {
    fn observe(&self, account: &Account, event: &Event<'_>) {
        if let Event::Explained(stream, explanation) = event
            && let Ok(text) = serde_json::to_string(explanation)
        {
            self.ends.insert(stream.id, text.into());
        }
        let (stream, what) = match event {
            Event::Unenforced { stream, decision, explanation } => {
                return self.unenforced(account, stream, decision, explanation);
            }
            Event::Terminated(stream, cause) | Event::TerminatedIdle(stream, cause) => {
                (stream, AuditKind::Terminated((*cause).clone()))
            }
            Event::Terminating(stream, cause) => (stream, AuditKind::Terminating((*cause).clone())),
            Event::TakenOver { stream, taken, reason } => {
                (stream, AuditKind::TookOver { taken: taken.id, reason: reason.label() })
            }
            Event::TakeoverSettled { stream, taken, result } => {
                (stream, AuditKind::TakeoverSettled { taken: taken.id, result: result.label() })
            }
            _ => return,
        };
        let happened = AuditEntry {
            at: self.clock.now(),
            application: Some(stream.application.clone()),
            stream: Some(stream.id),
            device: Some(stream.device.clone()),
            asset: Some(stream.asset.clone()),
            what,
        };
        self.note(account.key(), |history| history.push(happened));
    }
}

/// What was remembered last counts most: the usual policy of the cache would keep what is popular.
fn bounded<K, V>(bytes: u64) -> CacheBuilder<K, V, Cache<K, V>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(bytes).eviction_policy(EvictionPolicy::lru()).time_to_live(KEPT)
}

/// Roughly what a refusal takes; names that streams share with it are counted as its own.
fn weight(refused: &Refused) -> u32 {
    let account = refused.account.as_ref().map_or(0, |account| account.idp.len() + account.subject.len());
    let asset = refused.asset.as_ref().map_or(0, |asset| asset.len());
    bytes(refused.problem.len() + account + asset + 384)
}

fn bytes(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
