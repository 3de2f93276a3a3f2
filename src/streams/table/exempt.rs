//! Accounts that no policy holds for a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::StreamTable;
use crate::model::{Account, AccountKey, Millis, Moment};
use crate::policy::Policy;
use crate::streams::Settings;
use crate::streams::account::PolicyContext;

/// Until when accounts are exempt from all policies, by the clock on the wall.
pub type Exemptions = HashMap<AccountKey, Millis>;

impl StreamTable {
    /// From now on these accounts are exempt from all policies, and no others. Their streams are counted and kept as those
    /// of everybody else; when the time is over those that play go on, and only what starts, returns or changes is judged.
    pub fn exempt(&self, exemptions: Exemptions) {
        self.exemptions.store(Arc::new(exemptions));
    }

    /// Notes how far the clock on the wall, by which exemptions end, is from the time that this table goes by.
    pub fn tell_wall(&self, moment: Moment) {
        self.wall_ahead.store(moment.offset(), Relaxed);
    }

    /// The same moment by both times, as far as this table has been told.
    pub(super) fn moment(&self, now: Millis) -> Moment {
        Moment { now, wall: now.shifted(self.wall_ahead.load(Relaxed)) }
    }

    /// Whether the account is exempt now.
    pub fn is_exempt(&self, account: &Account, now: Millis) -> bool {
        let now = self.moment(now).wall;
        let exemptions = self.exemptions.load();
        // Nearly always there are none, and a key costs a hash.
        !exemptions.is_empty() && exemptions.get(&account.key()).is_some_and(|until| now < *until)
    }

    /// What streams of the account are judged by.
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
