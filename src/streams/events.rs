//! What happens to streams, for whoever listens.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AdmissionRequest, Stream};
use crate::model::{Account, ApplicationId, Attributes, Millis, StreamId};
use crate::policy::{Decision, Explanation, MissingAttribute, RequiredLimit, Violation};

/// Why a stream was terminated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// By policy: another stream started and this one gave way.
    Evicted {
        /// The policy whose rule asked for it.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
        /// The stream that took its place.
        by: StreamId,
    },
    /// By policy: an older stream came back after the gateway was started anew, and this one had been admitted meanwhile.
    Displaced {
        /// The policy whose rule asked for it.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
        /// The stream that came back.
        by: StreamId,
    },
    /// By policy: something became known of it, or a limit has shrunk.
    Refused {
        /// The policy whose rule asked for it.
        policy: Arc<str>,
        /// The rule.
        rule: Arc<str>,
    },
    /// By its viewer or an API.
    Stopped,
    /// By an operator or another viewer.
    Killed {
        /// What the viewer is told.
        reason: Arc<str>,
        /// The stream whose viewer wanted the slot; `None`: an operator did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<Terminator>>,
    },
}

/// The stream for whose sake another one was killed, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminator {
    /// Which stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: ApplicationId,
    /// When.
    pub started: Millis,
    /// What was known of it.
    pub attributes: Attributes,
}

impl Cause {
    /// Every value that [`label`](Self::label) gives.
    pub const LABELS: [&str; 5] = ["evicted", "displaced", "refused", "stopped", "killed"];

    /// The word in metrics and problem documents.
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
    /// What may be its own client has started another stream since, and it has not been heard again.
    LeftForAnother,
    /// Its next request is overdue by its own cadence.
    Overdue,
    /// Its client has closed all connections.
    HungUp,
}

impl TakeoverReason {
    /// The word in logs and explanations.
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

/// How a take-over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeoverResult {
    /// One of the two stayed silent: it has been left for the other.
    Replaced,
    /// Both were played. The policies decided between them.
    BothReal,
}

impl TakeoverResult {
    /// Every result.
    pub const ALL: [Self; 2] = [Self::Replaced, Self::BothReal];

    /// The word in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::BothReal => "both_real",
        }
    }
}

/// Something that happened to a stream of an account.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new stream took a slot.
    Admitted(&'a Arc<Stream>),
    /// An idle or unknown stream took a slot again.
    Resumed(&'a Arc<Stream>),
    /// A start or a resume was refused. Nothing changed.
    Refused(&'a AdmissionRequest, &'a Decision),
    /// A rule would have been exceeded, in any mode.
    Violated(&'a Violation),
    /// It was admitted, or plays on, although rules that are not enforced would have refused it, or ended others for it.
    Unenforced {
        /// The stream.
        stream: &'a Arc<Stream>,
        /// What the policies decided.
        decision: &'a Decision,
        /// On what, and why.
        explanation: &'a Explanation,
    },
    /// A rule demands an attribute that a start does not bring, in any mode.
    MissingAttribute(&'a MissingAttribute),
    /// What an admission, or a refused one, would have needed of a rule.
    RequiredLimit(&'a RequiredLimit),
    /// A start or a return was decided on.
    AdmissionAttempt {
        /// Whose.
        application: &'a ApplicationId,
        /// How many streams of the account hold a slot with it; where it was refused: would hold one.
        level: usize,
        /// Whether it was admitted.
        admitted: bool,
    },
    /// It plays on for the grace of a rule before it is terminated.
    Terminating(&'a Arc<Stream>, &'a Cause),
    /// Silence freed the slot.
    Idle(&'a Arc<Stream>),
    /// The same device started something else.
    Superseded(&'a Arc<Stream>),
    /// A start that would have been refused was admitted provisionally in the place of another stream.
    TakenOver {
        /// The stream that was admitted.
        stream: &'a Arc<Stream>,
        /// The stream that does not count meanwhile.
        taken: &'a Arc<Stream>,
        /// Why it was chosen.
        reason: TakeoverReason,
    },
    /// That was decided.
    TakeoverSettled {
        /// The stream that stood for the other.
        stream: &'a Arc<Stream>,
        /// The stream that it stood for.
        taken: &'a Arc<Stream>,
        /// What it came to.
        result: TakeoverResult,
    },
    /// The start was taken back, because the origin answered it with an error.
    RolledBack(&'a Arc<Stream>),
    /// It was terminated.
    Terminated(&'a Arc<Stream>, &'a Cause),
    /// On what that rests, where its player could not guess it.
    Explained(&'a Arc<Stream>, &'a Explanation),
    /// The same of one that had lost its slot before: it cannot come back.
    TerminatedIdle(&'a Arc<Stream>, &'a Cause),
    /// Its place in the record was given up.
    Expired(&'a Arc<Stream>),
    /// The table was full, and the place of a stream without a slot was given up.
    CapacityEvicted(&'a Arc<Stream>),
    /// The table was full of accounts whose streams hold slots: a start or a return passed without being counted.
    CapacityExceeded(&'a Arc<Stream>),
    /// The store did not commit; the admission was not decided.
    Unavailable,
}

/// Hears of everything that happens in a [`StreamTable`](super::StreamTable). Called under the account's lock: be quick.
pub trait Observer: Send + Sync {
    /// `event` has happened to a stream of `account`.
    fn observe(&self, account: &Account, event: &Event<'_>);
}

/// Each hears of everything, one after the other.
impl Observer for Vec<Arc<dyn Observer>> {
    fn observe(&self, account: &Account, event: &Event<'_>) {
        for observer in self {
            observer.observe(account, event);
        }
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopObserver;

impl Observer for NoopObserver {
    fn observe(&self, _: &Account, _: &Event<'_>) {}
}
