//! The decision about one request, as a value.

use std::sync::Arc;

use super::in_flight::InFlightGuard;
use super::play_context::PlayContext;
use super::problem::Problem;
use crate::config::{Application, Origin};
use crate::identity::Renewed;
use crate::media::Kind;
use crate::policy::Violation;
use crate::telemetry::Outcome;

/// What happens to a request.
pub(crate) enum Decision {
    /// Forwarded as a request of a stream that holds its slot.
    Admit(Permit),
    /// Forwarded, counting for no stream.
    Pass(PassReason),
    /// Answered here.
    Refuse(Box<Problem>),
}

/// A decision, and what was learned about the request.
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    pub(crate) subject: Subject,
}

/// What a request is about. Independent of the decision, because logs and rewriting need it.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) application: Option<Arc<Application>>,
    pub(crate) origin: Option<Arc<Origin>>,
    /// The play that the request belongs to.
    pub(crate) play: Option<Arc<PlayContext>>,
    /// The play in the path, if the request comes from a second client with its own stream. `play` is then the latter.
    pub(crate) shared_play: Option<Arc<PlayContext>>,
    /// A renewed token for the viewer.
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

/// What an admitted request carries from the decision to the relay.
pub(crate) struct Permit {
    pub(crate) slot: Slot,
    /// `None` once the request is no longer a heartbeat.
    pub(crate) in_flight: Option<InFlightGuard>,
    /// Rules of policies in mode `annotate` that the stream exceeds.
    pub(crate) annotations: Option<Arc<Vec<Violation>>>,
}

/// How a request obtained the slot of its stream: decides what is given back if the origin does not serve it. Ordered by how
/// much that is: of two decisions about one request, the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// The stream held it before, or keeps it by its play session whatever the origin answers.
    Held,
    /// The request took it without a play session.
    Taken,
    /// The request was for an entry manifest and took it.
    Started,
}

/// Why a request passes without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassReason {
    /// It is of a kind that does not count.
    Uncounted,
    /// Its application allows viewers without a token.
    Anonymous,
    /// The stream table did not answer. Fail open: an internal error never refuses a viewer.
    Undecided,
}

impl PassReason {
    /// The reason word in the log; empty if the outcome says it all.
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
