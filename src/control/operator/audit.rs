//! Audits operator actions: one log line each, and an entry in the account's history.

use std::fmt::Display;
use std::time::Duration;

use super::guard::Operator;
use crate::control::Control;
use crate::model::{Account, StreamId};

pub(super) struct Action<'a> {
    pub(super) what: &'static str,
    pub(super) account: Option<&'a Account>,
    pub(super) stream: Option<StreamId>,
    /// What was acted on, besides the account.
    pub(super) object: &'a dyn Display,
    /// How long it lasts, if limited.
    pub(super) duration: Option<Duration>,
    /// Empty if none was given.
    pub(super) reason: &'a str,
}

impl<'a> Action<'a> {
    /// An action on the process itself.
    pub(super) fn on_program(what: &'static str, object: &'a dyn Display) -> Self {
        Self { what, account: None, stream: None, object, duration: None, reason: "" }
    }
}

impl Operator {
    /// Records the action. The log names the account by its label, not by its subject.
    pub(super) fn did(&self, control: &Control, action: &Action<'_>) {
        let Action { what, account, stream, object, duration, reason } = *action;
        let label = account.map(|account| control.settings().keys.account_label(&account.key()));
        tracing::info!(
            target: "operator",
            who = &*self.name,
            what,
            account = label,
            object = %object,
            seconds = duration.map(|duration| duration.as_secs()),
            reason = (!reason.is_empty()).then_some(reason),
            "operator action"
        );
        if let Some(account) = account {
            control.admission.decisions.ordered(account, stream, what, &self.name, &reason.into());
        }
    }
}
