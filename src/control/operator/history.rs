//! What was decided about an account, as it is told.

use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{CauseShown, time};
use crate::model::Moment;
use crate::telemetry::{AuditEntry, AuditKind};

/// Something that was decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Happened)]
pub(super) struct HappenedShown {
    /// When; of several refusals of one kind, the last. `would_refuse` and `would_terminate` count as refusals here: what
    /// rules in shadow or annotate mode would have done.
    #[schema(format = DateTime)]
    at: String,
    /// `refused`, `would_refuse`, `would_terminate`, `terminated`, `terminating`, `took_over`, `takeover_settled`, or what an operator did.
    what: &'static str,
    /// The application that asked, where one did.
    application: Option<String>,
    /// The stream, where it is about one.
    stream: Option<String>,
    /// The device, where something names it.
    device: Option<String>,
    /// What it plays, or wanted to.
    asset: Option<String>,
    /// Of a refusal: its id, to be asked about.
    refusal: Option<String>,
    /// Of a refusal: the log's word for it. Of a take-over: why that stream was chosen, or what it came to. Of what an operator
    /// did: why.
    reason: Option<String>,
    /// Of refusals: how many of this kind there were.
    times: Option<u32>,
    /// Of refusals: when the first came.
    #[schema(format = DateTime)]
    first: Option<String>,
    /// Of a termination: why.
    cause: Option<CauseShown>,
    /// Of what an operator did: who.
    by: Option<String>,
    /// Of a take-over: the stream in whose place this one was admitted.
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
