//! Decisions without a request: streams whose grace is over, and reevaluation after policy changes.

use std::sync::Arc;

use tokio::task::yield_now;

use super::{InForce, MAX_CAS_RETRIES, PAGE, StreamTable};
use crate::model::{Account, Millis};
use crate::policy::{Policy, Rule};
use crate::streams::account::{PolicyContext, Verification};
use crate::streams::{Settings, Stream};

impl StreamTable {
    /// Decides about the streams whose grace is over. Call it after [`tick`](Self::tick).
    pub async fn expire_grace(&self, now: Millis) {
        for (account, stream) in self.store.take_due() {
            let in_force = self.in_force.load_full();
            let (policies, settings) = &*in_force;
            let _turn = self.lock(&account).lock().await;
            let Ok(mut record) = self.store.load(&account, now).await else { continue };
            for _ in 0..MAX_CAS_RETRIES {
                let Some(known) = record.find(stream) else { break };
                // If no policy applies any more, it stays.
                let nothing = PolicyContext { policies: &[], settings, idp: &account.idp };
                let law = law_in_force(policies, settings, &account, known).filter(|_| !self.is_exempt(&account, now));
                let law = law.unwrap_or(nothing);
                let law_of = |_: &Stream| Some(law);
                let Verification { change, verdict } = if let Some(change) = record.plan_leave(stream, &law, now) {
                    Verification { change, verdict: None }
                } else {
                    record.plan_due_taker(stream, &law_of, now)
                };
                match self.commit(&account, &record, &change, now).await {
                    Ok(Some(newer)) => record = newer,
                    Ok(None) => {
                        self.tell_verdict(&account, &record, verdict.as_ref());
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }

    /// Applies settings and policies, and evaluates the streams of all accounts by the rules that were not in force
    /// before. Returns how many streams are terminated, now or after a grace.
    ///
    /// Slow with many accounts. Reads a page of accounts at a time and yields between pages; locks only one account at
    /// a time. With a million accounts of one stream each, a page takes about 0.1 ms and all of them 1.0 to 1.8 s,
    /// which would be one pause without pages (`benches/streams.rs`).
    ///
    /// Concurrent changes are serialized: rules of the earlier one are applied to every account, even if the later one
    /// keeps them. If the earlier one was dropped half-way, the later one also evaluates the rules common to both.
    pub async fn apply_policy_change(&self, settings: Settings, in_force: InForce, now: Millis) -> usize {
        let mut judged_by = self.judged_by.lock().await;
        let in_force = Arc::new((in_force, settings));
        self.in_force.store(in_force.clone());
        self.store.configure(in_force.1.clone());
        let ended = self.judge_all(&judged_by.0, &in_force, now).await;
        *judged_by = in_force;
        ended
    }

    async fn judge_all(&self, before: &InForce, (policies, settings): &(InForce, Settings), now: Millis) -> usize {
        if policies == before {
            return 0;
        }
        let earlier = |policy: &Policy| before.values().flatten().find(|earlier| earlier.name == policy.name);
        let settled: Vec<(&str, &str)> = policies
            .values()
            .flatten()
            .filter_map(|policy| Some((policy, earlier(policy).filter(|earlier| earlier.carriers == policy.carriers)?)))
            .flat_map(|(policy, earlier)| {
                let same = policy.rules.iter().filter(|rule| earlier.rules.contains(rule));
                same.map(|rule| (&*policy.name, &*rule.name))
            })
            .collect();
        let is_settled = |policy: &Policy, rule: &Rule| settled.contains(&(&*policy.name, &*rule.name));
        let asks_content = policies.values().flatten().any(|policy| policy.asks_content);
        let (mut ended, mut last) = (0, None);
        loop {
            let page = self.store.page(last, PAGE);
            let Some((key, ..)) = page.last() else { break };
            last = Some(*key);
            for (_, account, record) in &page {
                let law = |stream: &Stream| law_in_force(policies, settings, account, stream);
                if asks_content {
                    record.streams().iter().for_each(|stream| stream.watch_content());
                }
                if !self.is_exempt(account, now) && record.plan_reform(&law, &is_settled, now).is_some() {
                    ended += self.judge_account(account, &law, &is_settled, now).await;
                }
            }
            drop(page);
            yield_now().await;
        }
        ended
    }

    /// Evaluates the streams of one account. Returns how many are terminated, now or after a grace.
    async fn judge_account<'a>(
        &self,
        account: &Account,
        law: &(dyn Fn(&Stream) -> Option<PolicyContext<'a>> + Sync),
        is_settled: &(dyn Fn(&Policy, &Rule) -> bool + Sync),
        now: Millis,
    ) -> usize {
        let _turn = self.lock(account).lock().await;
        let Ok(mut record) = self.store.load(account, now).await else { return 0 };
        for _ in 0..MAX_CAS_RETRIES {
            let Some(change) = record.plan_reform(law, is_settled, now) else { break };
            match self.commit(account, &record, &change, now).await {
                Ok(Some(newer)) => record = newer,
                Ok(None) => return change.terminate.len() + change.leave.len(),
                Err(_) => break,
            }
        }
        0
    }
}

/// The policies for a stream without a request; `None` if its application was removed.
pub(super) fn law_in_force<'a>(
    policies: &'a InForce,
    settings: &'a Settings,
    account: &'a Account,
    stream: &Stream,
) -> Option<PolicyContext<'a>> {
    Some(PolicyContext { policies: policies.get(&stream.application)?, settings, idp: &account.idp })
}
