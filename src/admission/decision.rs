//! The answer to one request, as a value.

use std::sync::Arc;

use super::in_flight::InFlightGuard;
use super::play_context::PlayContext;
use super::problem::Problem;
use crate::config::{Application, Origin};
use crate::identity::Renewed;
use crate::media::Kind;
use crate::policy::Violation;
use crate::telemetry::Outcome;

/// What becomes of a request.
pub(crate) enum Decision {
    /// It is passed on as a request of a stream that holds its slot.
    Admit(Permit),
    /// It is passed on and counts for no stream.
    Pass(PassReason),
    /// It is answered here.
    Refuse(Box<Problem>),
}

/// A decision, and what was found out about the request on the way.
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    pub(crate) subject: Subject,
}

/// What a request is about. Found out whatever the decision is: logs and rewriting need it.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) application: Option<Arc<Application>>,
    pub(crate) origin: Option<Arc<Origin>>,
    /// The play that the request belongs to.
    pub(crate) play: Option<Arc<PlayContext>>,
    /// The play that the path carries, where another client of it has a stream of its own. That is `play` then.
    pub(crate) shared_play: Option<Arc<PlayContext>>,
    /// A fresh token for the viewer.
    pub(crate) renewed: Option<Renewed>,
    /// True if the viewer's token reaches every request of the play by itself.
    pub(crate) token_reaches_all: bool,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            kind: Kind::Unknown,
            application: None,
            origin: None,
            play: None,
            shared_play: None,
            renewed: None,
            token_reaches_all: false,
        }
    }
}

/// What an admitted request carries from the decision until it is answered.
pub(crate) struct Permit {
    pub(crate) slot: Slot,
    /// `None` once the request is no heartbeat any more.
    pub(crate) in_flight: Option<InFlightGuard>,
    /// Rules of policies in mode `annotate` that the stream exceeds.
    pub(crate) annotations: Option<Arc<Vec<Violation>>>,
}

/// What a request did to the slot of its stream, and so what is given back if the origin does not honour it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// The stream held it before, or holds it by its play session whatever the origin says.
    Held,
    /// It took the slot without a play session.
    Taken,
    /// It asked for an entry manifest and took the slot.
    Started,
}

/// Why a request passes without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassReason {
    /// It is none of those that count.
    Uncounted,
    /// Its application lets viewers without a token pass.
    Anonymous,
    /// The stream table did not answer. Fail open: an internal error never refuses a viewer.
    Undecided,
}

impl PassReason {
    /// The word in the log, where there is more to say than the outcome.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Uncounted | Self::Anonymous => "",
            Self::Undecided => "undecided",
        }
    }
}

/// The outcome of a request that passes.
pub(crate) fn pass_outcome(permit: Option<&Permit>) -> Outcome {
    match permit {
        Some(permit) if permit.annotations.is_some() => Outcome::Annotated,
        _ => Outcome::Passed,
    }
}
