//! What is decided without a request: streams whose grace is over, and those that the rules of today would not have admitted.

use super::{ATTEMPTS, InForce, StreamTable};
use crate::model::{Account, Millis};
use crate::policy::{Policy, Rule};
use crate::streams::account::{Law, Verification};
use crate::streams::{Settings, Stream};

impl StreamTable {
    /// Judges the streams whose grace is over. Call it after [`tick`](Self::tick).
    pub async fn take_leave(&self, now: Millis) {
        for (account, stream) in self.store.take_due() {
            let in_force = self.in_force.load_full();
            let (policies, settings) = &*in_force;
            let _turn = self.gate(&account).lock().await;
            let Ok(mut record) = self.store.load(&account, now).await else { continue };
            for _ in 0..ATTEMPTS {
                let Some(known) = record.find(stream) else { break };
                // Where nothing is left that would send it away, it stays.
                let nothing = Law { policies: &[], settings, idp: &account.idp };
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

    /// Judges the streams of all accounts by the rules that are in force now and were not `before`. Returns how many streams
    /// ended or will. Takes long where there are many accounts; requests go on meanwhile.
    pub async fn reform(&self, before: &InForce, now: Millis) -> usize {
        let in_force = self.in_force.load_full();
        let (policies, settings) = &*in_force;
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
        let mut accounts = Vec::new();
        self.store.each(&mut |account, record| {
            let law = |stream: &Stream| law_in_force(policies, settings, account, stream);
            if asks_content {
                record.streams().iter().for_each(|stream| stream.ask_content());
            }
            if !self.is_exempt(account, now) && record.plan_reform(&law, &is_settled, now).is_some() {
                accounts.push(account.clone());
            }
        });
        let mut ended = 0;
        for account in accounts {
            let law = |stream: &Stream| law_in_force(policies, settings, &account, stream);
            let _turn = self.gate(&account).lock().await;
            let Ok(mut record) = self.store.load(&account, now).await else { continue };
            for _ in 0..ATTEMPTS {
                let Some(change) = record.plan_reform(&law, &is_settled, now) else { break };
                match self.commit(&account, &record, &change, now).await {
                    Ok(Some(newer)) => record = newer,
                    Ok(None) => {
                        ended += change.terminate.len() + change.leave.len();
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        ended
    }
}

/// What a stream is judged by without a request; `None` where its application is gone.
pub(super) fn law_in_force<'a>(
    policies: &'a InForce,
    settings: &'a Settings,
    account: &'a Account,
    stream: &Stream,
) -> Option<Law<'a>> {
    Some(Law { policies: policies.get(&stream.application)?, settings, idp: &account.idp })
}
