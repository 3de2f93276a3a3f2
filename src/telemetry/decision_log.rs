//! Keeps recent decisions for operators, bounded in bytes and time. Admitted requests cost nothing.

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

/// How long a decision is kept at most.
pub const KEPT: Duration = Duration::from_hours(1);
/// Minimum interval between two explanations for one account: a refused player retries repeatedly.
const AGAIN: Duration = Duration::from_secs(10);
/// Maximum history entries per account.
const OF_ACCOUNT: usize = 32;

/// Bytes for refusals with an account.
const REFUSALS: u64 = 8 << 20;
/// Bytes for refusals by unenforced rules, separate so that they cannot displace real ones.
const UNENFORCED: u64 = 4 << 20;
/// Bytes for refusals without an account, separate so that they cannot displace the others.
const ANONYMOUS_REFUSALS: u64 = 2 << 20;
const EXPLANATIONS: u64 = 16 << 20;
/// Bytes for explanations of terminations.
const ENDS: u64 = 4 << 20;
/// Bytes for histories of accounts.
const HISTORIES: u64 = 8 << 20;

/// Whether a request was refused, or would be if all rules were enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Refused.
    Refused,
    /// Admitted; unenforced rules would have refused it.
    WouldRefuse,
    /// Admitted; unenforced rules would have terminated other streams for it.
    WouldTerminate,
}

impl Verdict {
    /// The label in the API and the log.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WouldRefuse => "would_refuse",
            Self::WouldTerminate => "would_terminate",
        }
    }
}

/// A refusal, real or by unenforced rules.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Real or unenforced.
    pub verdict: Verdict,
    /// The refusal id, sent as `refusal` in the problem document.
    pub id: u64,
    /// When.
    pub at: Millis,
    /// The reason word of logs and metrics.
    pub reason: &'static str,
    /// The application, if known.
    pub application: Option<ApplicationId>,
    /// The account, if known.
    pub account: Option<Account>,
    /// The stream, if known.
    pub stream: Option<StreamId>,
    /// The device, if known.
    pub device: Option<Device>,
    /// The asset, if known.
    pub asset: Option<Arc<str>>,
    /// The problem document (RFC 9457) sent to the viewer. Empty if nothing was refused.
    pub problem: Bytes,
}

/// A decision or operator action about an account.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When; for repeated refusals, the last.
    pub at: Millis,
    /// The application, if known.
    pub application: Option<ApplicationId>,
    /// The stream, if any.
    pub stream: Option<StreamId>,
    /// The device.
    pub device: Option<Device>,
    /// The asset.
    pub asset: Option<Arc<str>>,
    /// What happened.
    pub what: AuditKind,
}

impl AuditEntry {
    /// True if only unenforced rules are involved.
    fn is_unenforced(&self) -> bool {
        matches!(self.what, AuditKind::Refused { verdict: Verdict::WouldRefuse | Verdict::WouldTerminate, .. })
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum AuditKind {
    /// A request was refused, or would have been.
    Refused {
        /// Which of them.
        verdict: Verdict,
        /// The last of these refusals.
        refusal: u64,
        /// The reason word of logs and metrics.
        reason: &'static str,
        /// The first of these refusals.
        first: Millis,
        /// How many.
        times: u32,
    },
    /// The stream was terminated.
    Terminated(Cause),
    /// The stream is in grace and will be terminated.
    Terminating(Cause),
    /// The stream was admitted provisionally in place of another.
    TookOver {
        /// The other stream.
        taken: StreamId,
        /// Why that stream was chosen.
        reason: &'static str,
    },
    /// The takeover is settled.
    TakeoverSettled {
        /// The other stream.
        taken: StreamId,
        /// The result.
        result: &'static str,
    },
    /// An operator action.
    Ordered {
        /// The action.
        what: &'static str,
        /// The operator.
        by: Arc<str>,
        /// The reason.
        reason: Arc<str>,
    },
}

#[derive(Clone, Debug)]
enum Explained {
    /// As JSON.
    Here(Arc<str>),
    /// Same as another recent refusal of the account.
    As(u64),
}

/// The stored decisions.
pub struct Decisions {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The configuration in force.
    settings: ArcSwapOption<Settings>,
    refusals: Cache<u64, Arc<Refused>>,
    strangers: Cache<u64, Arc<Refused>>,
    unenforced: Cache<u64, Arc<Refused>>,
    explanations: Cache<u64, Explained>,
    /// The last explained refusal per account and verdict. Verdicts have different explanations.
    explained: Cache<(AccountKey, &'static str), u64>,
    histories: Cache<AccountKey, Arc<[AuditEntry]>>,
    /// Explanations of terminations, as JSON.
    ends: Cache<StreamId, Arc<str>>,
}

impl Decisions {
    /// Creates an empty log. Refusals by unenforced rules get ids from `entropy`.
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

    /// Applies a new configuration.
    pub fn configure(&self, settings: &Arc<Settings>) {
        self.settings.store(Some(settings.clone()));
    }

    /// Stores the explanation of a policy refusal. Of consecutive refusals of one account, only the first is explained;
    /// the others refer to it, which is cheap.
    pub fn explain(&self, refusal: u64, account: &AccountKey, explanation: &Explanation) {
        self.explain_as(Verdict::Refused, refusal, account, explanation);
    }

    /// Returns the explanation as JSON if it is the first of a series.
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

    /// Records a stream that plays although unenforced rules would have refused it or terminated others. Operators see
    /// the effect of a rule before enforcing it.
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
                "an unenforced rule would refuse this stream or terminate others for it"
            );
        }
        self.refused(refused);
    }

    /// Records a refused request of a terminated stream. Returns the explanation of the termination as JSON, if still
    /// stored.
    pub fn explain_end(&self, refusal: u64, stream: StreamId) -> Option<Arc<str>> {
        let text = self.ends.get(&stream)?;
        self.explanations.insert(refusal, Explained::Here(text.clone()));
        Some(text)
    }

    /// Records a refused request.
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

    /// Records an operator action on an account or one of its streams.
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
                // Unenforced entries are removed first, except the one just added.
                let earlier = history.len() - 1;
                let unenforced = history.iter().take(earlier).position(AuditEntry::is_unenforced);
                history.remove(unenforced.unwrap_or_default());
            }
            history.into()
        });
    }

    /// The refusal with that id, if still stored.
    pub fn refusal(&self, id: u64) -> Option<Arc<Refused>> {
        [&self.refusals, &self.strangers, &self.unenforced].into_iter().find_map(|cache| cache.get(&id))
    }

    /// The explanation of a refusal as JSON, and the refusal it was stored for: this one, or a recent one of the same
    /// account.
    pub fn explanation(&self, refusal: u64) -> Option<(u64, Arc<str>)> {
        match self.explanations.get(&refusal)? {
            Explained::Here(text) => Some((refusal, text)),
            Explained::As(other) => match self.explanations.get(&other)? {
                Explained::Here(text) => Some((other, text)),
                Explained::As(_) => None,
            },
        }
    }

    /// The account's recent decisions, oldest first.
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

/// LRU eviction: recent entries matter most. The cache's default policy would keep frequently used ones.
fn bounded<K, V>(bytes: u64) -> CacheBuilder<K, V, Cache<K, V>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(bytes).eviction_policy(EvictionPolicy::lru()).time_to_live(KEPT)
}

/// Approximate size of a refusal, including strings shared with streams.
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
