//! Streams that an application declares through the session API.

use std::sync::Arc;

use super::{AdmissionOutcome, Ended, MAX_CAS_RETRIES, Refusal, StreamTable};
use crate::model::{Account, Attributes, Millis, StreamId};
use crate::policy::Policy;
use crate::streams::account::{AccountState, Change, Kill, Plan, PolicyContext, killed_by};
use crate::streams::store::{Commit, Unavailable};
use crate::streams::{AdmissionRequest, Settings, Stream};

impl StreamTable {
    /// Decides the start of a declared stream. Each is a new stream, unless its device already plays the same asset
    /// here: then that stream continues under its own id.
    ///
    /// If admitted, `kills` are terminated in the same commit; otherwise nothing is. With `remember`, a refused start
    /// gets a tombstone, so that its application may keep asking for it.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
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
            // A stream that has started in the meantime is joined too.
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
            // A matching stream cannot be joined: the new attributes would terminate it.
            self.decide(candidate, |record| record.plan_declare(candidate, kills, &law, now), &law, now).await?
        };
        if let (AdmissionOutcome::Refused(Refusal::Policy { refused, .. }), true) = (&admission, remember) {
            let change = AccountState::bury_refused(candidate, &refused.decision, &law, now);
            self.change(account, |_| Some(change.clone()), now).await?;
        }
        Ok(admission)
    }

    /// Declares a stream that already plays by traffic and has its slot. `None` if there is none, or if the new
    /// attributes would terminate it: a refused start ends nothing.
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
            // Two concurrent declarations must not both join it.
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

    /// Records a heartbeat of an application for a stream with a slot, with optional new attributes. Immutable ones
    /// stay.
    ///
    /// Returns the refusal if the stream was terminated by this; its application counts as informed.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
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

    /// An idle declared stream gets a heartbeat and competes. `None` if it is not in the record.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
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
            // Terminated in the meantime. The caller looks again.
            None => Plan::Continue(stream.clone()),
        };
        let candidate = stream.admission_request(account);
        Ok(Some(self.decide(&candidate, plan, &law, now).await?))
    }

    /// True if a stream of the record complies with all policies now: a playing one does, an idle one does if it would
    /// be admitted again.
    pub fn keeps_policies(record: &AccountState, stream: &Arc<Stream>, law: &PolicyContext<'_>, now: Millis) -> bool {
        let leaves = record.leaving().iter().any(|leaving| leaving.stream == stream.id);
        let plan = || record.plan_resume(stream, law, now);
        !leaves && matches!(plan(), Plan::Continue(_) | Plan::Admit(..))
    }

    /// Why a stream was terminated, if it has a tombstone, which is renewed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn ended(&self, account: &Account, stream: StreamId, now: Millis) -> Result<Option<Ended>, Unavailable> {
        let _turn = self.lock(account).lock().await;
        let record = self.store.load(account, now).await?;
        let Some(tombstone) = record.terminated(stream) else { return Ok(None) };
        self.store.acknowledge(account, stream, now).await?;
        let (stream, cause) = (tombstone.stream.clone(), tombstone.cause.clone());
        let was_told = stream.acknowledge_end();
        Ok(Some(Ended { stream, cause, was_told }))
    }

    /// Commits the change that `plan` returns; `None` for nothing.
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
