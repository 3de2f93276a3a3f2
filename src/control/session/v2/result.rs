//! JSON bodies: the evaluation result and the lists.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Why a call was refused, and what to do.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvaluationResult {
    /// Explanations for the viewer.
    pub(super) associated_advice: Vec<Advice>,
    /// What the application must do before it retries.
    pub(super) obligations: Vec<Obligation>,
    /// What is wrong with the call, for the application's developer. Only with 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(super) detail: Option<String>,
}

/// An explanation for the viewer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Advice {
    /// A rule that the stream would violate, or that ended it.
    RuleViolation(RuleViolation),
    /// The stream was killed.
    RemoteTermination(RemoteTermination),
}

/// A violated rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleViolation {
    /// Text for the viewer.
    pub(super) message: String,
    /// The policy.
    pub(super) policy_name: String,
    /// The rule.
    pub(super) rule_name: String,
    /// What the rule counts: `streamId`, or the attribute whose distinct values count.
    pub(super) attribute: String,
    /// The limit.
    pub(super) threshold: u32,
    /// The conflicting streams, by their value of the attribute.
    pub(super) conflicts: BTreeMap<String, Vec<ConflictingSession>>,
    /// The attributes that the rule counts by; absent if it counts everything together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) scope: Vec<String>,
}

/// A conflicting stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConflictingSession {
    /// Its code for `X-Terminate`.
    pub(super) termination_code: String,
    /// Its attributes.
    pub(super) metadata: BTreeMap<String, String>,
    /// Its channel, or `Unknown`.
    pub(super) channel: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// Its device, or `Unknown`.
    pub(super) device_name: String,
    /// Its application.
    pub(super) application_name: String,
}

/// The stream was killed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RemoteTermination {
    /// Text for the viewer.
    pub(super) message: String,
    /// The stream that it was killed for; `Unknown` values if an operator killed it.
    pub(super) terminator: TerminatingSession,
}

/// The stream that another one was killed for. It cannot be terminated in return.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TerminatingSession {
    /// Its channel, or `Unknown`.
    pub(super) channel: String,
    /// When it started; if an operator killed the stream, when that was.
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// Its device, or `Unknown`.
    pub(super) device_name: String,
    /// Its application; `Unknown` for an operator.
    pub(super) application_name: String,
}

/// What the application must do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Obligation {
    /// Namespace of the action.
    pub(super) namespace: &'static str,
    /// The action.
    pub(super) action: &'static str,
    /// Its arguments.
    pub(super) arguments: Vec<&'static str>,
}

impl Obligation {
    /// Fetch the list of required attributes again.
    pub(super) fn refresh_metadata() -> Self {
        Self { namespace: "adobe.primetime.cm", action: "refresh", arguments: vec!["metadata"] }
    }
}

/// The streams of an account that hold slots.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningStreams {
    /// Those visible to the application, oldest first.
    pub(super) running_streams: Vec<RunningStream>,
    /// Number of others.
    pub(super) other_streams: usize,
}

/// A stream that holds a slot.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningStream {
    pub(super) session_id: String,
    /// When it started, in milliseconds since the epoch.
    pub(super) start_time: u64,
    /// The application that started it.
    pub(super) application_id: String,
    /// Its display name.
    pub(super) application_name: String,
    /// Its code for `X-Terminate`.
    pub(super) termination_code: String,
    /// Its attributes.
    pub(super) metadata: BTreeMap<String, String>,
}
