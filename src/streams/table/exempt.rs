//! Accounts that no policy holds for a time.

use std::collections::HashMap;
use std::sync::Arc;

use super::StreamTable;
use crate::model::{Account, AccountKey, Millis};
use crate::policy::Policy;
use crate::streams::Settings;
use crate::streams::account::Law;

/// Until when accounts are exempt from all policies.
pub type Exemptions = HashMap<AccountKey, Millis>;

impl StreamTable {
    /// From now on these accounts are exempt from all policies, and no others. Their streams are counted and kept as those
    /// of everybody else; when the time is over those that play go on, and only what starts, returns or changes is judged.
    pub fn exempt(&self, exemptions: Exemptions) {
        self.exemptions.store(Arc::new(exemptions));
    }

    /// Whether the account is exempt now.
    pub fn is_exempt(&self, account: &Account, now: Millis) -> bool {
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
    ) -> Law<'a> {
        let policies = if self.is_exempt(account, now) { &[] } else { policies };
        Law { policies, settings, idp: &account.idp }
    }
}
