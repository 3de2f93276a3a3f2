//! Representation of the decisions about an account.

use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{CauseShown, time};
use crate::model::Moment;
use crate::telemetry::{AuditEntry, AuditKind};

/// A decision or an operator action.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Happened)]
pub(super) struct HappenedShown {
    /// When; for repeated refusals of one kind, the last. Refusals here include `would_refuse` and `would_terminate`:
    /// what rules in shadow or annotate mode would have done.
    #[schema(format = DateTime)]
    at: String,
    /// `refused`, `would_refuse`, `would_terminate`, `terminated`, `terminating`, `took_over`, `takeover_settled`, or
    /// the operator's action.
    what: &'static str,
    /// The application, if known.
    application: Option<String>,
    /// The stream, if any.
    stream: Option<String>,
    /// The device, if identified.
    device: Option<String>,
    /// The asset.
    asset: Option<String>,
    /// Refusals: the refusal id.
    refusal: Option<String>,
    /// Refusals: the reason word of the log. Takeovers: why that stream was chosen, or the result. Operator actions:
    /// the given reason.
    reason: Option<String>,
    /// Refusals: how many of this kind.
    times: Option<u32>,
    /// Refusals: time of the first.
    #[schema(format = DateTime)]
    first: Option<String>,
    /// Terminations: the cause.
    cause: Option<CauseShown>,
    /// Operator actions: the operator.
    by: Option<String>,
    /// Takeovers: the stream in whose place this one was provisionally admitted.
    taken: Option<String>,
}

impl HappenedShown {
    pub(super) fn new(happened: &AuditEntry, moment: Moment) -> Self {
        let mut shown = Self {
            at: time(moment.to_wall(happened.at)),
            what: "",
            application: happened.application.as_ref().map(ToString::to_string),
            stream: happened.stream.map(|stream| stream.to_string()),
            device: happened.device.as_ref().and_then(|device| device.name()).map(str::to_owned),
            asset: happened.asset.as_ref().map(ToString::to_string),
            refusal: None,
            reason: None,
            times: None,
            first: None,
            cause: None,
            by: None,
            taken: None,
        };
        match &happened.what {
            AuditKind::Refused { verdict, refusal, reason, first, times } => {
                shown.what = verdict.label();
                shown.refusal = Some(format!("{refusal:016x}"));
                shown.reason = Some((*reason).to_owned());
                (shown.times, shown.first) = (Some(*times), Some(time(moment.to_wall(*first))));
            }
            AuditKind::Terminated(cause) => {
                shown.what = "terminated";
                shown.cause = Some(CauseShown::new(cause));
            }
            AuditKind::Terminating(cause) => {
                shown.what = "terminating";
                shown.cause = Some(CauseShown::new(cause));
            }
            AuditKind::TookOver { taken, reason } => {
                shown.what = "took_over";
                (shown.taken, shown.reason) = (Some(taken.to_string()), Some((*reason).to_owned()));
            }
            AuditKind::TakeoverSettled { taken, result } => {
                shown.what = "takeover_settled";
                (shown.taken, shown.reason) = (Some(taken.to_string()), Some((*result).to_owned()));
            }
            AuditKind::Ordered { what, by, reason } => {
                shown.what = what;
                shown.by = Some(by.to_string());
                shown.reason = Some(reason.to_string()).filter(|reason| !reason.is_empty());
            }
        }
        shown
    }
}
