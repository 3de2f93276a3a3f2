//! What operators do is written down: one line in the log, and a place in the account's history.

use std::fmt::Display;

use super::guard::Operator;
use crate::control::Control;
use crate::model::{Account, StreamId};

impl Operator {
    /// Writes down what was done. Accounts are named as everywhere in the log, not by their subjects.
    pub(super) fn did(
        &self,
        control: &Control,
        what: &'static str,
        account: Option<&Account>,
        stream: Option<StreamId>,
        target: &dyn Display,
        reason: &str,
    ) {
        let label = account.map(|account| control.settings().keys.account_label(&account.key()));
        tracing::info!(
            target: "operator",
            who = &*self.name,
            what,
            account = label,
            target = %target,
            reason = (!reason.is_empty()).then_some(reason),
            "operated"
        );
        if let Some(account) = account {
            control.decisions.ordered(account, stream, what, &self.name, &reason.into());
        }
    }
}
