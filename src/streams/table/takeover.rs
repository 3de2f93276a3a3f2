//! Verification of takeovers.

use std::sync::Arc;

use super::policy_change::law_in_force;
use super::{MAX_CAS_RETRIES, StreamTable, Surplus, holders};
use crate::model::{Account, Millis};
use crate::policy::Policy;
use crate::streams::account::{AccountState, Change, PolicyContext, Verdict, Verification};
use crate::streams::store::Unavailable;
use crate::streams::{Event, Settings, Stream, TakeoverResult};

impl StreamTable {
    /// Handles a media request of a stream that [is contested](Stream::is_contested). `policies` are those of its
    /// application.
    ///
    /// Returns why the stream was terminated, if it was: both play, and the policies chose this one.
    ///
    /// # Errors
    /// The store is unavailable; nothing was decided.
    pub async fn verify(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Result<Option<Surplus>, Unavailable> {
        let in_force = self.in_force.load_full();
        let exempt = self.is_exempt(account, now);
        let law = |of: &Stream| {
            if exempt {
                Some(PolicyContext { policies: &[], settings, idp: &account.idp })
            } else if of.application == stream.application {
                Some(PolicyContext { policies, settings, idp: &account.idp })
            } else {
                law_in_force(&in_force.0, settings, account, of)
            }
        };
        let _turn = self.lock(account).lock().await;
        let mut record = self.store.load(account, now).await?;
        for _ in 0..MAX_CAS_RETRIES {
            let Verification { change, verdict } = record.plan_verification(stream.id, &law, now);
            if let Some(newer) = self.commit(account, &record, &change, now).await? {
                record = newer;
                continue;
            }
            self.tell_verdict(account, &record, verdict.as_ref());
            let Some(Verdict { refused, .. }) = verdict else { return Ok(None) };
            let own = change.terminate.iter().find(|(ended, _)| *ended == stream.id);
            return Ok(own.map(|(_, cause)| {
                let holders = holders(&record, &refused.decision);
                Surplus { cause: cause.clone(), refused, holders }
            }));
        }
        Err(Unavailable)
    }

    /// Reports that both streams of a takeover play, with the decision.
    pub(super) fn tell_verdict(&self, account: &Account, record: &AccountState, verdict: Option<&Verdict>) {
        let Some(Verdict { taker, taken, refused }) = verdict else { return };
        if let (Some(stream), Some(taken)) = (record.find(*taker), record.find(*taken)) {
            let result = TakeoverResult::BothReal;
            self.observer.observe(account, &Event::TakeoverSettled { stream, taken, result });
        }
        self.report(account, &refused.decision);
    }

    /// Reports the takeovers of a change.
    pub(super) fn tell_takeovers(
        &self,
        account: &Account,
        record: &AccountState,
        stream: &Arc<Stream>,
        change: &Change,
    ) {
        for takeover in &change.takeovers {
            if let Some(taken) = record.find(takeover.taken) {
                self.observer.observe(account, &Event::TakenOver { stream, taken, reason: takeover.reason });
            }
        }
    }
}
