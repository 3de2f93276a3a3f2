//! Exemptions of accounts from all policies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::StreamTable;
use crate::model::{Account, AccountKey, Millis, Moment};
use crate::policy::Policy;
use crate::streams::Settings;
use crate::streams::account::PolicyContext;

/// Until when accounts are exempt, in wall-clock time.
pub type Exemptions = HashMap<AccountKey, Millis>;

impl StreamTable {
    /// Replaces the exemptions. Streams of exempt accounts are still counted. When an exemption ends, running streams
    /// continue; only starts, returns and changes are evaluated.
    pub fn exempt(&self, exemptions: Exemptions) {
        self.exemptions.store(Arc::new(exemptions));
    }

    /// Sets the offset of wall-clock time, by which exemptions end, from the table's time.
    pub fn tell_wall(&self, moment: Moment) {
        self.wall_ahead.store(moment.offset(), Relaxed);
    }

    /// The moment in both times.
    pub(super) fn moment(&self, now: Millis) -> Moment {
        Moment { now, wall: now.shifted(self.wall_ahead.load(Relaxed)) }
    }

    /// True if the account is exempt now.
    pub fn is_exempt(&self, account: &Account, now: Millis) -> bool {
        let now = self.moment(now).wall;
        let exemptions = self.exemptions.load();
        // Usually there are none, which saves hashing the key.
        !exemptions.is_empty() && exemptions.get(&account.key()).is_some_and(|until| now < *until)
    }

    /// The policies and settings for streams of the account.
    pub fn law<'a>(
        &self,
        account: &'a Account,
        policies: &'a [Arc<Policy>],
        settings: &'a Settings,
        now: Millis,
    ) -> PolicyContext<'a> {
        let policies = if self.is_exempt(account, now) { &[] } else { policies };
        PolicyContext { policies, settings, idp: &account.idp }
    }
}
