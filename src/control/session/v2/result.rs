//! What applications are told besides the status: the evaluation result and the lists, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Why a call was not accepted, and what to do about it.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvaluationResult {
    /// What to tell the viewer.
    pub(super) associated_advice: Vec<Advice>,
    /// What the application has to do before it tries again.
    pub(super) obligations: Vec<Obligation>,
    /// What is wrong with the call, in a sentence for whoever writes the application. Of a 400 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(super) detail: Option<String>,
}

/// What to tell the viewer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Advice {
    /// A rule that the stream would exceed, or because of which it has ended.
    RuleViolation(RuleViolation),
    /// Somebody ended the stream.
    RemoteTermination(RemoteTermination),
}

/// A rule that is exceeded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleViolation {
    /// For the viewer.
    pub(super) message: String,
    /// The policy that the rule belongs to.
    pub(super) policy_name: String,
    /// The rule.
    pub(super) rule_name: String,
    /// What it counts: `streamId`, or the attribute whose different values it counts.
    pub(super) attribute: String,
    /// The highest count that is allowed.
    pub(super) threshold: u32,
    /// The streams in the way, by their value of the attribute.
    pub(super) conflicts: BTreeMap<String, Vec<ConflictingSession>>,
    /// What the rule counts by; left out where it counts everything together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) scope: Vec<String>,
}

/// A stream that is in the way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConflictingSession {
    /// Names it in `X-Terminate`.
    pub(super) termination_code: String,
    /// All that is known of it.
    pub(super) metadata: BTreeMap<String, String>,
    /// What it plays, or `Unknown`.
    pub(super) channel: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// On which device, or `Unknown`.
    pub(super) device_name: String,
    /// By which application.
    pub(super) application_name: String,
}

/// Somebody ended the stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RemoteTermination {
    /// For the viewer.
    pub(super) message: String,
    /// The stream for whose sake.
    pub(super) terminator: TerminatingSession,
}

/// The stream for whose sake another one was ended. It cannot be ended in return.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TerminatingSession {
    /// What it plays, or `Unknown`.
    pub(super) channel: String,
    /// When it started; where an operator ended the stream, when that was.
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// On which device, or `Unknown`.
    pub(super) device_name: String,
    /// By which application; `Unknown` where an operator did it.
    pub(super) application_name: String,
}

/// What the application has to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Obligation {
    /// Whose vocabulary it is.
    pub(super) namespace: &'static str,
    /// What to do.
    pub(super) action: &'static str,
    /// With what.
    pub(super) arguments: Vec<&'static str>,
}

impl Obligation {
    /// To read again which attributes are required.
    pub(super) fn refresh_metadata() -> Self {
        Self { namespace: "adobe.primetime.cm", action: "refresh", arguments: vec!["metadata"] }
    }
}

/// The streams of an account that hold slots.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningStreams {
    /// Those that the application may see, oldest first.
    pub(super) running_streams: Vec<RunningStream>,
    /// How many there are besides.
    pub(super) other_streams: usize,
}

/// A stream that holds a slot.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningStream {
    /// Its id.
    pub(super) session_id: String,
    /// When it started, in milliseconds since the epoch.
    pub(super) start_time: u64,
    /// The application that started it.
    pub(super) application_id: String,
    /// What people call that.
    pub(super) application_name: String,
    /// Names it in `X-Terminate`.
    pub(super) termination_code: String,
    /// All that is known of it.
    pub(super) metadata: BTreeMap<String, String>,
}
