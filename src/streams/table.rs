//! The table of all streams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;

use super::account::{AccountState, Change, Judgement, Plan, PolicyContext, Refused};
use super::store::{AccountStore, Commit, Unavailable};
use super::{AdmissionRequest, Cause, Event, Observer, Settings, Stream};
use crate::model::{Account, AccountKey, ApplicationId, Attributes, Device, Millis, StreamId};
use crate::policy::{Decision, Policy};

mod declared;
mod exempt;
mod listing;
mod persistence;
mod policy_change;
mod takeover;

pub use exempt::Exemptions;

/// Decisions for different accounts run in parallel, those for one account in sequence.
const LOCK_STRIPES: usize = 1024;
/// Attempts if another gateway changes the record between read and commit.
const MAX_CAS_RETRIES: usize = 6;

/// Accounts per page when all are visited.
const PAGE: usize = 64;

/// The answer to a start or a return.
#[derive(Debug)]
pub enum AdmissionOutcome {
    /// Admitted.
    Admitted {
        /// The stream, to be kept with the connection.
        stream: Arc<Stream>,
        /// True if it took its slot just now.
        created: bool,
    },
    /// Refused.
    Refused(Refusal),
}

/// Why a viewer is refused.
#[derive(Debug)]
pub enum Refusal {
    /// The policies refuse a start or a return.
    Policy {
        /// The decision with its explanation.
        refused: Box<Refused>,
        /// The streams that hold the slots, oldest first.
        holders: Vec<Arc<Stream>>,
    },
    /// The stream was terminated.
    Terminated(Cause),
}

/// A stream of a takeover that is terminated: both play, and the policies do not admit both.
#[derive(Debug)]
pub struct Surplus {
    /// Why it is terminated.
    pub cause: Cause,
    /// The decision with its explanation.
    pub refused: Refused,
    /// The streams that hold the slots, oldest first.
    pub holders: Vec<Arc<Stream>>,
}

/// A terminated stream with a tombstone.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its last state.
    pub stream: Arc<Stream>,
    /// Why it was terminated.
    pub cause: Cause,
    /// True if its application was already informed.
    pub was_told: bool,
}

/// The policies in force, by application.
pub type InForce = BTreeMap<ApplicationId, Vec<Arc<Policy>>>;

/// Result of restoring a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Restored accounts.
    pub accounts: usize,
    /// Unreadable lines, which were skipped.
    pub damaged: usize,
}

/// All streams of all accounts.
pub struct StreamTable {
    store: Arc<dyn AccountStore>,
    observer: Arc<dyn Observer>,
    locks: Vec<Mutex<()>>,
    /// For decisions without a request: streams whose grace is over.
    in_force: ArcSwap<(InForce, Settings)>,
    /// The state by which all accounts were last evaluated. Locked during such an evaluation.
    judged_by: Mutex<Arc<(InForce, Settings)>>,
    exemptions: ArcSwap<Exemptions>,
    /// Start of the gateway, if earlier streams may be unknown.
    opened: ArcSwapOption<Millis>,
    /// Offset of wall-clock time from monotonic time, in milliseconds.
    wall_ahead: AtomicI64,
}

impl StreamTable {
    /// Creates a table over the given store.
    pub fn new(store: Arc<dyn AccountStore>, observer: Arc<dyn Observer>) -> Self {
        let in_force = Arc::new((InForce::new(), Settings::default()));
        let locks = (0..LOCK_STRIPES).map(|_| Mutex::new(())).collect();
        Self {
            store,
            observer,
            locks,
            judged_by: Mutex::new(in_force.clone()),
            in_force: ArcSwap::new(in_force),
            exemptions: ArcSwap::default(),
            opened: ArcSwapOption::empty(),
            wall_ahead: AtomicI64::new(0),
        }
    }

    /// For a gateway that started at `opened` and may not know all earlier streams: for the maximum idle timeout from
    /// then on, returning streams take precedence over those started since.
    #[must_use]
    pub fn opened_at(self, opened: Millis) -> Self {
        self.opened.store(Some(Arc::new(opened)));
        self
    }

    /// A snapshot contained all earlier streams.
    fn knows_all(&self) {
        self.opened.store(None);
    }

    /// The stream of a play session, if this gateway has it. Hot path: one lookup, no await.
    pub fn find(&self, account: &AccountKey, stream: StreamId) -> Option<Arc<Stream>> {
        self.store.find(account, stream)
    }

    /// The stream of a device, for requests that do not name their stream.
    pub fn find_of_device(
        &self,
        account: &AccountKey,
        application: &ApplicationId,
        device: &Device,
    ) -> Option<Arc<Stream>> {
        self.store.find_of_device(account, application, device)
    }

    /// Number of streams of the account on this gateway, with and without a slot.
    pub fn streams_of(&self, account: &AccountKey) -> usize {
        self.store.streams_of(account)
    }

    /// Decides a start: a request for an entry manifest without a play session.
    ///
    /// A second request of the same device within the entry window continues its stream.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn start(
        &self,
        candidate: &AdmissionRequest,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let law = self.law(&candidate.account, policies, settings, now);
        let plan = |record: &AccountState| record.plan_start(candidate, &law, now);
        let admission = self.decide(candidate, plan, &law, now).await?;
        if let AdmissionOutcome::Admitted { stream, created: false } = &admission
            && stream.refreshes_entry()
        {
            // Only a refresh extends the window. A second start must come within a few seconds.
            stream.entered(now);
            self.store.reschedule(&candidate.account.key(), now);
        } else if let AdmissionOutcome::Admitted { stream, created: false } = &admission {
            self.change(&candidate.account, |record| record.plan_turn_back(stream.id, now), now).await?;
        }
        Ok(admission)
    }

    /// Decides a return: a request with a play session whose stream holds no slot here. It became idle, was superseded
    /// or terminated, or is unknown to this gateway.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn resume(
        &self,
        candidate: &AdmissionRequest,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let law = self.law(&candidate.account, policies, settings, now);
        let opened = self.opened.load().as_deref().copied();
        let opened = opened.filter(|opened| now.since(*opened) < settings.idle_max);
        let plan = |record: &AccountState| match (record.plan_reattach(candidate, &law, now), opened) {
            (Plan::Refuse(refused), Some(opened)) if record.is_unknown(candidate.stream) => {
                let senior = record.plan_senior(candidate, &refused.decision, opened, &law, now);
                senior.unwrap_or(Plan::Refuse(refused))
            }
            (plan, _) => plan,
        };
        self.decide(candidate, plan, &law, now).await
    }

    /// Same, for a stream named by something other than its play session, such as a token. If it is unknown, it starts
    /// now.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn resume_unsealed(
        &self,
        candidate: &AdmissionRequest,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let law = self.law(&candidate.account, policies, settings, now);
        let plan = |record: &AccountState| record.plan_unsealed(candidate, &law, now);
        self.decide(candidate, plan, &law, now).await
    }

    /// The refusal that a start would get, without starting.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn consider(
        &self,
        candidate: &AdmissionRequest,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<Refusal>, Unavailable> {
        let record = self.store.load(&candidate.account, now).await?;
        let law = self.law(&candidate.account, policies, settings, now);
        Ok(match record.plan_start(candidate, &law, now) {
            Plan::Continue(_) | Plan::Admit(..) => None,
            Plan::Terminated(_, cause) => Some(Refusal::Terminated(cause)),
            Plan::Refuse(refused) => {
                let holders = holders(&record, &refused.decision);
                Some(Refusal::Policy { refused, holders })
            }
        })
    }

    /// The account's up-to-date record, for explanations.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn record(&self, account: &Account, now: Millis) -> Result<AccountState, Unavailable> {
        self.store.load(account, now).await
    }

    /// Why the stream was terminated, if it has a tombstone, which is renewed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn terminated(
        &self,
        account: &Account,
        stream: StreamId,
        now: Millis,
    ) -> Result<Option<Cause>, Unavailable> {
        let record = self.store.load(account, now).await?;
        let cause = record.terminated(stream).map(|tombstone| tombstone.cause.clone());
        if cause.is_some() {
            self.store.acknowledge(account, stream, now).await?;
        }
        Ok(cause)
    }

    /// Decides within the store's timeout. An in-memory store has none, however busy the machine is: an undecided start
    /// would break the limit under load.
    async fn decide(
        &self,
        candidate: &AdmissionRequest,
        plan: impl Fn(&AccountState) -> Plan,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let decided = match self.store.timeout() {
            None => self.attempt(candidate, plan, law, now).await,
            Some(patience) => {
                let attempt = tokio::time::timeout(patience, self.attempt(candidate, plan, law, now));
                attempt.await.unwrap_or(Err(Unavailable))
            }
        };
        if decided.is_err() {
            self.observer.observe(&candidate.account, &Event::Unavailable);
        }
        decided
    }

    async fn attempt(
        &self,
        candidate: &AdmissionRequest,
        plan: impl Fn(&AccountState) -> Plan,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let account = &candidate.account;
        let _turn = self.lock(account).lock().await;
        let mut record = self.store.load(account, now).await?;
        for _ in 0..MAX_CAS_RETRIES {
            let (decision, change) = match plan(&record) {
                Plan::Continue(stream) => {
                    return Ok(AdmissionOutcome::Admitted { stream, created: false });
                }
                Plan::Terminated(stream, cause) => {
                    self.store.acknowledge(account, stream, now).await?;
                    return Ok(AdmissionOutcome::Refused(Refusal::Terminated(cause)));
                }
                Plan::Refuse(refused) => {
                    let settings = self.in_force.load().1.clone();
                    let disputes = record.disputes_of(candidate, &settings, now);
                    // If the record has changed, the next refusal renews them.
                    let _ = self.commit(account, &record, &Change { disputes, ..Change::default() }, now).await?;
                    self.report(account, &refused.decision);
                    for demand in &refused.decision.required_limits {
                        self.observer.observe(account, &Event::RequiredLimit(demand));
                    }
                    self.observer.observe(account, &Event::Refused(candidate, &refused.decision));
                    let level = record.level_after(&Change::default()) + 1;
                    let application = &candidate.application;
                    self.observer.observe(account, &Event::AdmissionAttempt { application, level, admitted: false });
                    let holders = holders(&record, &refused.decision);
                    return Ok(AdmissionOutcome::Refused(Refusal::Policy { refused, holders }));
                }
                Plan::Admit(decision, change) => (decision, change),
            };
            let level = record.level_after(&change);
            // Explained before the commit: streams are shared with the store, and terminated ones no longer count
            // afterwards.
            let unenforced = change.admit.as_ref().filter(|_| decision.has_unenforced());
            let unenforced = unenforced.map(|stream| record.explain_admission(stream, &change, law, now));
            match self.store.commit(account, record.version, &change, now).await? {
                Commit::Conflict(newer) => record = newer,
                Commit::Done => {
                    let Some(stream) = change.admit.clone() else { break };
                    self.observer.observe(
                        account,
                        &Event::AdmissionAttempt { application: &candidate.application, level, admitted: true },
                    );
                    self.tell_takeovers(account, &record, &stream, &change);
                    self.note(account, &stream, &decision, true);
                    if let Some(explanation) = unenforced {
                        let event =
                            Event::Unenforced { stream: &stream, decision: &decision, explanation: &explanation };
                        self.observer.observe(account, &event);
                    }
                    return Ok(AdmissionOutcome::Admitted { stream, created: true });
                }
            }
        }
        Err(Unavailable)
    }

    /// Evaluates a running stream again: a rule waited for something that is now known, or `attributes` have changed,
    /// for the given asset. Attributes that are not given stay, and so do immutable ones.
    ///
    /// Returns the refusal if the stream was terminated. It may also be in grace instead.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn judge(
        &self,
        account: &Account,
        stream: StreamId,
        attributes: Option<(&Attributes, &str)>,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<Refusal>, Unavailable> {
        let law = self.law(account, policies, settings, now);
        let _turn = self.lock(account).lock().await;
        let mut record = self.store.load(account, now).await?;
        let has_news = record.find(stream).is_some_and(|stream| stream.take_pending());
        if !has_news && attributes.is_none() {
            // Another request of the stream was faster.
            return Ok(None);
        }
        for _ in 0..MAX_CAS_RETRIES {
            // Terminated in the meantime.
            let Some(known) = record.find(stream).cloned() else { return Ok(None) };
            let set = attributes.and_then(|(news, asset)| known.attribute_update(news, asset).attributes);
            let Some(judgement) = record.plan_judgement(stream, set, &law, now) else { return Ok(None) };
            let Judgement { decision, explanation, change } = judgement;
            match self.commit(account, &record, &change, now).await {
                Ok(Some(newer)) => record = newer,
                Ok(None) => {
                    let Some(decision) = decision else { return Ok(None) };
                    self.tell_takeovers(account, &record, &known, &change);
                    self.note(account, &known, &decision, false);
                    if let Some(explanation) =
                        explanation.as_ref().filter(|_| decision.has_unenforced() && !decision.refuses())
                    {
                        self.observer
                            .observe(account, &Event::Unenforced { stream: &known, decision: &decision, explanation });
                    }
                    let explanation =
                        explanation.filter(|_| change.terminate.iter().any(|(ended, _)| *ended == stream));
                    return Ok(explanation.map(|explanation| {
                        let holders = holders(&record, &decision);
                        Refusal::Policy { refused: Box::new(Refused { decision, explanation }), holders }
                    }));
                }
                Err(unavailable) => {
                    known.restore_pending();
                    return Err(unavailable);
                }
            }
        }
        if let Some(known) = record.find(stream) {
            known.restore_pending();
        }
        Err(Unavailable)
    }

    /// Terminates a stream, if it exists. Its player is refused from its next request on.
    ///
    /// # Errors
    /// The store is unavailable; nothing was changed.
    pub async fn end(
        &self,
        account: &Account,
        stream: StreamId,
        cause: &Cause,
        now: Millis,
    ) -> Result<bool, Unavailable> {
        let _turn = self.lock(account).lock().await;
        let mut record = self.store.load(account, now).await?;
        for _ in 0..MAX_CAS_RETRIES {
            if record.find(stream).is_none() {
                return Ok(false);
            }
            let change = Change { terminate: vec![(stream, cause.clone())], ..Change::default() };
            match self.commit(account, &record, &change, now).await? {
                Some(newer) => record = newer,
                None => return Ok(true),
            }
        }
        Err(Unavailable)
    }

    /// Commits a change that takes no slot. Returns the current record if it has changed.
    async fn commit(
        &self,
        account: &Account,
        record: &AccountState,
        change: &Change,
        now: Millis,
    ) -> Result<Option<AccountState>, Unavailable> {
        if change.is_empty() {
            return Ok(None);
        }
        Ok(match self.store.commit(account, record.version, change, now).await? {
            Commit::Conflict(newer) => Some(newer),
            Commit::Done => None,
        })
    }

    /// Reports a committed decision, and stores its results in the stream.
    fn note(&self, account: &Account, stream: &Stream, decision: &Decision, starts: bool) {
        self.report(account, decision);
        for demand in stream.record_decision(decision, starts) {
            self.observer.observe(account, &Event::RequiredLimit(demand));
        }
    }

    fn report(&self, account: &Account, decision: &Decision) {
        for violation in &decision.violations {
            self.observer.observe(account, &Event::Violated(violation));
        }
        for lack in &decision.missing_attributes {
            self.observer.observe(account, &Event::MissingAttribute(lack));
        }
    }

    /// Rolls back a start that the origin answered with an error.
    ///
    /// # Errors
    /// The store is unavailable; the slot is freed when the reservation expires.
    pub async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.store.roll_back(account, stream, now).await
    }

    /// Gives back what a request took that the origin answered with an error or a redirect: its slot, the slots of
    /// superseded streams, and evictions that no player has seen.
    ///
    /// # Errors
    /// The store is unavailable; the slot is freed when the stream becomes idle.
    pub async fn give_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.store.give_back(account, stream, now).await
    }

    /// A stream's clocks changed in a way that may bring its next deadline forward, such as a shorter idle timeout.
    pub fn reschedule(&self, account: &AccountKey, now: Millis) {
        self.store.reschedule(account, now);
    }

    /// Advances expiry. Call it about once a second.
    pub fn tick(&self, now: Millis) {
        self.store.tick(now);
    }

    /// Sets settings and policies for an empty table, without evaluating streams. For later changes see
    /// [`apply_policy_change`](Self::apply_policy_change).
    #[must_use]
    pub fn configured(mut self, settings: Settings, in_force: InForce) -> Self {
        let in_force = Arc::new((in_force, settings));
        self.store.configure(in_force.1.clone());
        self.in_force.store(in_force.clone());
        *self.judged_by.get_mut() = in_force;
        self
    }

    /// Calls `visit` for every account of this gateway. For tests and tools, not for requests.
    pub fn each(&self, visit: &mut dyn FnMut(&Account, &AccountState)) {
        let mut last = None;
        loop {
            let page = self.store.page(last, PAGE);
            let Some((key, ..)) = page.last() else { break };
            last = Some(*key);
            for (_, account, record) in &page {
                visit(account, record);
            }
        }
    }

    fn lock(&self, account: &Account) -> &Mutex<()> {
        let AccountKey(key) = account.key();
        &self.locks[usize::from(u16::from_be_bytes([key[0], key[1]])) % LOCK_STRIPES]
    }
}

/// The streams in conflict with the violated rules, oldest first.
fn holders(record: &AccountState, decision: &Decision) -> Vec<Arc<Stream>> {
    let counted = |stream: &Stream| {
        decision.violations.iter().any(|violation| violation.conflicts.iter().any(|one| one.stream == stream.id))
    };
    let mut holders: Vec<Arc<Stream>> = record.streams().iter().filter(|stream| counted(stream)).cloned().collect();
    holders.sort_by_key(|stream| (stream.started, stream.id));
    holders
}
