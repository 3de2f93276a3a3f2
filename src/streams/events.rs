//! Stream events and their observers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AdmissionRequest, Stream};
use crate::model::{Account, ApplicationId, Attributes, Millis, StreamId};
use crate::policy::{Decision, Explanation, MissingAttribute, RequiredLimit, Violation};

/// Why a stream was terminated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// By policy: replaced by another stream.
    Evicted {
        /// The policy.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
        /// The stream that replaced it.
        by: StreamId,
    },
    /// By policy: an older stream returned after a restart, and this one had been admitted in between.
    Displaced {
        /// The policy.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
        /// The stream that returned.
        by: StreamId,
    },
    /// By policy: an attribute became known or changed, or a limit was lowered.
    Refused {
        /// The policy.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
    },
    /// By its viewer or an API.
    Stopped,
    /// By an operator or another viewer.
    Killed {
        /// The reason shown to the viewer.
        reason: Arc<str>,
        /// The stream that it was killed for; `None` for an operator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<Terminator>>,
    },
}

/// The stream that another one was killed for, at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminator {
    /// The stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: ApplicationId,
    /// When it started.
    pub started: Millis,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Cause {
    /// All values of [`label`](Self::label).
    pub const LABELS: [&str; 5] = ["evicted", "displaced", "refused", "stopped", "killed"];

    /// The label in metrics and problem documents.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Evicted { .. } => "evicted",
            Self::Displaced { .. } => "displaced",
            Self::Refused { .. } => "refused",
            Self::Stopped => "stopped",
            Self::Killed { .. } => "killed",
        }
    }
}

/// Why a stream may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeoverReason {
    /// It had taken over the stream that returns.
    Displaced,
    /// Its token names the same device.
    SameDevice,
    /// It was started with the same token.
    SameToken,
    /// It came from the same network, with the same user agent or a token that was issued together with the start's.
    SameClient,
    /// A client that may be its own has started another stream since, without a further request for this one.
    LeftForAnother,
    /// Its next request is overdue by its own cadence.
    Overdue,
    /// Its client has closed all connections.
    HungUp,
}

impl TakeoverReason {
    /// The label in logs and explanations.
    pub fn label(self) -> &'static str {
        match self {
            Self::Displaced => "displaced",
            Self::SameDevice => "same_device",
            Self::SameToken => "same_token",
            Self::SameClient => "same_client",
            Self::LeftForAnother => "left_for_another",
            Self::Overdue => "overdue",
            Self::HungUp => "hung_up",
        }
    }
}

/// Result of a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeoverResult {
    /// One of the two stayed silent: it was left for the other.
    Replaced,
    /// Both play. The policies decided.
    BothReal,
}

impl TakeoverResult {
    /// All results.
    pub const ALL: [Self; 2] = [Self::Replaced, Self::BothReal];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::BothReal => "both_real",
        }
    }
}

/// An event of a stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new stream took a slot.
    Admitted(&'a Arc<Stream>),
    /// An idle or unknown stream took a slot again.
    Resumed(&'a Arc<Stream>),
    /// A start or a return was refused. Nothing changed.
    Refused(&'a AdmissionRequest, &'a Decision),
    /// A rule would have been exceeded, in any mode.
    Violated(&'a Violation),
    /// Admitted or continued, although unenforced rules would have refused it or terminated others.
    Unenforced {
        /// The stream.
        stream: &'a Arc<Stream>,
        /// The decision.
        decision: &'a Decision,
        /// Its explanation.
        explanation: &'a Explanation,
    },
    /// A rule requires an attribute that a start lacks, in any mode.
    MissingAttribute(&'a MissingAttribute),
    /// The required limit of a rule for an admission, or a refused one.
    RequiredLimit(&'a RequiredLimit),
    /// A start or a return was decided.
    AdmissionAttempt {
        /// The application.
        application: &'a ApplicationId,
        /// Streams of the account that hold a slot including this one, or would if it had been admitted.
        level: usize,
        /// True if it was admitted.
        admitted: bool,
    },
    /// It plays on for the grace of a rule before termination.
    Terminating(&'a Arc<Stream>, &'a Cause),
    /// It lost its slot for lack of heartbeats.
    Idle(&'a Arc<Stream>),
    /// The same device started another stream.
    Superseded(&'a Arc<Stream>),
    /// A start that would have been refused was admitted provisionally in place of another stream.
    TakenOver {
        /// The admitted stream.
        stream: &'a Arc<Stream>,
        /// The stream that does not count meanwhile.
        taken: &'a Arc<Stream>,
        /// Why it was chosen.
        reason: TakeoverReason,
    },
    /// A takeover was settled.
    TakeoverSettled {
        /// The taker.
        stream: &'a Arc<Stream>,
        /// The taken stream.
        taken: &'a Arc<Stream>,
        /// The result.
        result: TakeoverResult,
    },
    /// A start was rolled back because the origin answered with an error.
    RolledBack(&'a Arc<Stream>),
    /// The stream was terminated.
    Terminated(&'a Arc<Stream>, &'a Cause),
    /// Explanation of a termination that the player could not foresee.
    Explained(&'a Arc<Stream>, &'a Explanation),
    /// An idle stream was terminated: it cannot return.
    TerminatedIdle(&'a Arc<Stream>, &'a Cause),
    /// It was removed from the record.
    Expired(&'a Arc<Stream>),
    /// The table was full, and a stream without a slot was removed.
    CapacityEvicted(&'a Arc<Stream>),
    /// The table was full of accounts with slots: a start or a return was admitted without being counted.
    CapacityExceeded(&'a Arc<Stream>),
    /// The store did not commit; no decision was made.
    Unavailable,
}

/// Observes all events of a [`StreamTable`](super::StreamTable). Called under the account's lock, so it must be fast.
pub trait Observer: Send + Sync {
    /// Called after `event` has happened to a stream of `account`.
    fn observe(&self, account: &Account, event: &Event<'_>);
}

/// Notifies each observer in order.
impl Observer for Vec<Arc<dyn Observer>> {
    fn observe(&self, account: &Account, event: &Event<'_>) {
        for observer in self {
            observer.observe(account, event);
        }
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopObserver;

impl Observer for NoopObserver {
    fn observe(&self, _: &Account, _: &Event<'_>) {}
}
