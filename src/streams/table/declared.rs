//! Streams that an application declares through the session API.

use std::sync::Arc;

use super::{AdmissionOutcome, Ended, MAX_CAS_RETRIES, Refusal, StreamTable};
use crate::model::{Account, Attributes, Millis, StreamId};
use crate::policy::Policy;
use crate::streams::account::{AccountState, Change, Kill, Plan, PolicyContext, killed_by};
use crate::streams::store::{Commit, Unavailable};
use crate::streams::{AdmissionRequest, Settings, Stream};

impl StreamTable {
    /// A start that an application declares. Each is a stream of its own, but for one whose device plays the same asset here
    /// already: that goes on under its own name.
    ///
    /// Where it is admitted, `kills` end in the same commit; where it is not, nothing ends. With `remember`, a start that is
    /// refused is remembered as a stream that has ended, so that its application may go on asking for it.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
    pub async fn declare(
        &self,
        candidate: &AdmissionRequest,
        kills: &[Kill],
        remember: bool,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<AdmissionOutcome, Unavailable> {
        let account = &candidate.account;
        let law = self.law(account, policies, settings, now);
        let mut admission = self.join(candidate, kills, policies, settings, now).await?;
        if admission.is_none() {
            // A play that has started since is joined as well.
            let plan = |record: &AccountState| match record.undeclared_play(candidate, kills) {
                Some(stream) => Plan::Continue(stream.clone()),
                None => record.plan_declare(candidate, kills, &law, now),
            };
            admission = match self.decide(candidate, plan, &law, now).await? {
                AdmissionOutcome::Admitted { created: false, .. } => {
                    self.join(candidate, kills, policies, settings, now).await?
                }
                decided => Some(decided),
            };
        }
        let admission = if let Some(admission) = admission {
            admission
        } else {
            // There is one that cannot be joined: what is told of it would end it.
            self.decide(candidate, |record| record.plan_declare(candidate, kills, &law, now), &law, now).await?
        };
        if let (AdmissionOutcome::Refused(Refusal::Policy { refused, .. }), true) = (&admission, remember) {
            let change = AccountState::bury_refused(candidate, &refused.decision, &law, now);
            self.change(account, |_| Some(change.clone()), now).await?;
        }
        Ok(admission)
    }

    /// Declares a stream that plays by traffic already: it has its slot. `None`: there is none, or a rule would end it for what
    /// its application tells of it, and a start that is refused ends nothing.
    async fn join(
        &self,
        candidate: &AdmissionRequest,
        kills: &[Kill],
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<AdmissionOutcome>, Unavailable> {
        let account = &candidate.account;
        let (stream, news) = {
            // Two starts at once must not both take it for theirs.
            let _turn = self.lock(account).lock().await;
            let record = self.store.load(account, now).await?;
            let Some(stream) = record.undeclared_play(candidate, kills) else { return Ok(None) };
            let (_, news) = record.take_place(kills, &candidate.attributes);
            let law = self.law(account, policies, settings, now);
            let learned = stream.attribute_update(&news, &stream.asset).attributes;
            let judgement = record.plan_judgement(stream.id, learned, &law, now);
            let ends = judgement.and_then(|judgement| judgement.decision).is_some_and(|decision| decision.refuses());
            if ends || !stream.heartbeat_declared(now) {
                return Ok(None);
            }
            (stream.clone(), news)
        };
        if let Some(refusal) = self.heartbeat(account, &stream, &news, policies, settings, now).await? {
            return Ok(Some(AdmissionOutcome::Refused(refusal)));
        }
        let kill = |record: &AccountState| {
            let (gone, _) = record.take_place(kills, &news);
            let terminate: Vec<_> = gone.into_iter().map(|id| (id, killed_by(&stream))).collect();
            (!terminate.is_empty()).then(|| Change { terminate, ..Change::default() })
        };
        self.change(account, kill, now).await?;
        Ok(Some(AdmissionOutcome::Admitted { stream, created: false }))
    }

    /// An application says that a stream which holds its slot plays on, and perhaps more of it. What is frozen stays.
    ///
    /// Returns why the stream has ended by that, if it has; its application counts as told.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
    pub async fn heartbeat(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        news: &Attributes,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<Refusal>, Unavailable> {
        let asset = stream.asset.clone();
        if stream.attribute_update(news, &asset).attributes.is_none() {
            return Ok(None);
        }
        let refusal = self.judge(account, stream.id, Some((news, &asset)), policies, settings, now).await?;
        if refusal.is_some() {
            stream.acknowledge_end();
            self.store.acknowledge(account, stream.id, now).await?;
        }
        Ok(refusal)
    }

    /// A declared stream that has fallen silent is heard of again and competes. `None`: it is not in the record.
    ///
    /// # Errors
    /// The store is not available; nothing was decided.
    pub async fn revive(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<AdmissionOutcome>, Unavailable> {
        let law = self.law(account, policies, settings, now);
        let record = self.record(account, now).await?;
        let Some(stream) = record.find(stream.id) else { return Ok(None) };
        stream.heartbeat_declared(now);
        let plan = |record: &AccountState| match record.find(stream.id) {
            Some(stream) => record.plan_resume(stream, &law, now),
            // It has ended meanwhile. Its caller looks again.
            None => Plan::Continue(stream.clone()),
        };
        let candidate = stream.admission_request(account);
        Ok(Some(self.decide(&candidate, plan, &law, now).await?))
    }

    /// Whether a stream of the record keeps all policies now: one that plays does, one that has fallen silent does if it
    /// would be admitted again.
    pub fn keeps_policies(record: &AccountState, stream: &Arc<Stream>, law: &PolicyContext<'_>, now: Millis) -> bool {
        let leaves = record.leaving().iter().any(|leaving| leaving.stream == stream.id);
        let plan = || record.plan_resume(stream, law, now);
        !leaves && matches!(plan(), Plan::Continue(_) | Plan::Admit(..))
    }

    /// Why a stream has ended, if it has and is remembered. Whoever asks is about to be told, which renews the memory.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn ended(&self, account: &Account, stream: StreamId, now: Millis) -> Result<Option<Ended>, Unavailable> {
        let _turn = self.lock(account).lock().await;
        let record = self.store.load(account, now).await?;
        let Some(tombstone) = record.terminated(stream) else { return Ok(None) };
        self.store.acknowledge(account, stream, now).await?;
        let (stream, cause) = (tombstone.stream.clone(), tombstone.cause.clone());
        let was_told = stream.acknowledge_end();
        Ok(Some(Ended { stream, cause, was_told }))
    }

    /// Commits what `plan` makes of the record; `None`: nothing.
    pub(super) async fn change(
        &self,
        account: &Account,
        plan: impl Fn(&AccountState) -> Option<Change>,
        now: Millis,
    ) -> Result<(), Unavailable> {
        let _turn = self.lock(account).lock().await;
        let mut record = self.store.load(account, now).await?;
        for _ in 0..MAX_CAS_RETRIES {
            let Some(change) = plan(&record) else { return Ok(()) };
            match self.store.commit(account, record.version, &change, now).await? {
                Commit::Conflict(newer) => record = newer,
                Commit::Done => return Ok(()),
            }
        }
        Err(Unavailable)
    }
}
