//! The one door to stream state.

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

/// Decisions for different accounts run side by side; those for one account, one after the other.
const LOCK_STRIPES: usize = 1024;
/// A store that other gateways write to may move on between a look and a commit. This often it is looked at again.
const MAX_CAS_RETRIES: usize = 6;

/// Accounts that are read at once where all of them are.
const PAGE: usize = 64;

/// The answer to a start or a return.
#[derive(Debug)]
pub enum AdmissionOutcome {
    /// The stream may go on.
    Admitted {
        /// The stream, to carry with the connection.
        stream: Arc<Stream>,
        /// Whether it took its slot just now.
        created: bool,
    },
    /// It may not.
    Refused(Refusal),
}

/// Why a viewer is refused.
#[derive(Debug)]
pub enum Refusal {
    /// A start or a return that the policies do not admit.
    Policy {
        /// What was decided, on what, and why.
        refused: Box<Refused>,
        /// The streams that hold the slots, oldest first.
        holders: Vec<Arc<Stream>>,
    },
    /// A stream that was terminated.
    Terminated(Cause),
}

/// A stream that had been admitted provisionally, or in whose place another had been, ends: both are played, and it is more than
/// the policies admit.
#[derive(Debug)]
pub struct Surplus {
    /// Why it ends.
    pub cause: Cause,
    /// What was decided, on what, and why.
    pub refused: Refused,
    /// The streams that hold the slots, oldest first.
    pub holders: Vec<Arc<Stream>>,
}

/// A stream that has ended and is remembered.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The stream as it was.
    pub stream: Arc<Stream>,
    /// Why it ended.
    pub cause: Cause,
    /// Whether its application has been told before.
    pub was_told: bool,
}

/// The policies that are in force, by application.
pub type InForce = BTreeMap<ApplicationId, Vec<Arc<Policy>>>;

/// How much a snapshot held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Accounts taken up.
    pub accounts: usize,
    /// Lines that could not be read and were passed over.
    pub damaged: usize,
}

/// All streams of all accounts.
pub struct StreamTable {
    store: Arc<dyn AccountStore>,
    observer: Arc<dyn Observer>,
    locks: Vec<Mutex<()>>,
    /// For what is decided without a request: streams whose grace is over.
    in_force: ArcSwap<(InForce, Settings)>,
    /// The last ones by which all accounts were judged. It is locked while they are judged by others.
    judged_by: Mutex<Arc<(InForce, Settings)>>,
    exemptions: ArcSwap<Exemptions>,
    /// When the gateway was started, where streams may have played before of which it knows nothing.
    opened: ArcSwapOption<Millis>,
    /// By how many milliseconds wall time is ahead of the time that comes in.
    wall_ahead: AtomicI64,
}

impl StreamTable {
    /// A table over the given store.
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

    /// The same, for a gateway that was started at `opened` and may not know of all that played before: for the longest idle
    /// window from then on, streams that come back stay before those that started since.
    #[must_use]
    pub fn opened_at(self, opened: Millis) -> Self {
        self.opened.store(Some(Arc::new(opened)));
        self
    }

    /// A snapshot has told of everything that played before.
    fn knows_all(&self) {
        self.opened.store(None);
    }

    /// The stream of a play session, if this gateway knows it. The hot path: one look-up, no await.
    pub fn find(&self, account: &AccountKey, stream: StreamId) -> Option<Arc<Stream>> {
        self.store.find(account, stream)
    }

    /// The stream that a device plays, for requests that do not say which one they belong to.
    pub fn find_of_device(
        &self,
        account: &AccountKey,
        application: &ApplicationId,
        device: &Device,
    ) -> Option<Arc<Stream>> {
        self.store.find_of_device(account, application, device)
    }

    /// How many streams of the account this gateway knows, with and without a slot.
    pub fn streams_of(&self, account: &AccountKey) -> usize {
        self.store.streams_of(account)
    }

    /// A start: somebody asks for an entry manifest without a play session.
    ///
    /// The same device asking twice within the entry window goes on with the stream that it has.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
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
            // Only a refresh stretches the window. A second start stays one for the few seconds that it takes to make one.
            stream.entered(now);
            self.store.reschedule(&candidate.account.key(), now);
        } else if let AdmissionOutcome::Admitted { stream, created: false } = &admission {
            self.change(&candidate.account, |record| record.plan_turn_back(stream.id, now), now).await?;
        }
        Ok(admission)
    }

    /// A return: a request with a play session whose stream holds no slot here, because it fell silent, was superseded or
    /// terminated, or because this gateway has never seen it.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
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

    /// The same for a stream that something else names than its play session, such as a token. If it is not known, it starts now.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
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

    /// What a start would be told, without starting.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
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

    /// The account's streams as of now, for explanations.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn record(&self, account: &Account, now: Millis) -> Result<AccountState, Unavailable> {
        self.store.load(account, now).await
    }

    /// Why the stream was terminated, if it was and is remembered. Its player is about to be told, which renews the memory.
    ///
    /// # Errors
    /// The store is not available.
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

    /// Decides within the store's patience. A start is a promise to a viewer, so that a store in this process is waited for
    /// however busy the machine is: letting it pass undecided would break the limit just when it matters.
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
                    // Where others have come first, the next refusal renews them.
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
            // The streams are shared with the store: once it is committed, those that gave way no longer count.
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

    /// Judges a stream that plays again: what a rule had waited for has become known, and, where `attributes` are given,
    /// these have, with the asset for which they were told. An attribute that is there and is not given stays; one that is
    /// frozen stays as it is.
    ///
    /// Returns why the stream has ended, if it has. It may also have to end later, for the grace of a rule.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
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
            // Another request of the stream has come first.
            return Ok(None);
        }
        for _ in 0..MAX_CAS_RETRIES {
            // It has ended meanwhile.
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

    /// Ends a stream, if it is there. Its player is refused from its next request on.
    ///
    /// # Errors
    /// The store is not available; nothing was changed.
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

    /// Commits a change that takes no slot. Returns the record as it is, if it has moved on.
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

    /// Tells of a decision that is in force, and notes what the stream has to remember of it.
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

    /// Takes back a start that the origin answered with an error.
    ///
    /// # Errors
    /// The store is not available; the slot comes free when the reservation runs out.
    pub async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.store.roll_back(account, stream, now).await
    }

    /// Gives back what a request took that the origin answered with an error or a redirect: its slot, the slots of the streams
    /// that its device had left for it, and the end of those that gave way to it and have not been told.
    ///
    /// # Errors
    /// The store is not available; the slot comes free when the stream falls silent.
    pub async fn give_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.store.give_back(account, stream, now).await
    }

    /// A stream's clocks were set in a way that may bring its next deadline forward, such as a shorter idle window.
    pub fn reschedule(&self, account: &AccountKey, now: Millis) {
        self.store.reschedule(account, now);
    }

    /// Does what time alone brings about. Call it about once a second.
    pub fn tick(&self, now: Millis) {
        self.store.tick(now);
    }

    /// Puts windows and policies in force, for a table of no streams: none is judged by them. Later changes are for
    /// [`apply_policy_change`](Self::apply_policy_change).
    #[must_use]
    pub fn configured(mut self, settings: Settings, in_force: InForce) -> Self {
        let in_force = Arc::new((in_force, settings));
        self.store.configure(in_force.1.clone());
        self.in_force.store(in_force.clone());
        *self.judged_by.get_mut() = in_force;
        self
    }

    /// Calls `visit` for every account that this gateway knows. For tests and tools; not in the way of requests.
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

/// The streams that the violated rules speak of, oldest first.
fn holders(record: &AccountState, decision: &Decision) -> Vec<Arc<Stream>> {
    let counted = |stream: &Stream| {
        decision.violations.iter().any(|violation| violation.conflicts.iter().any(|one| one.stream == stream.id))
    };
    let mut holders: Vec<Arc<Stream>> = record.streams().iter().filter(|stream| counted(stream)).cloned().collect();
    holders.sort_by_key(|stream| (stream.started, stream.id));
    holders
}
