//! Explains a refusal by the id that the viewer received.

use axum::extract::State as From;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::dto::{AccountName, time};
use super::guard::Reader;
use super::input::PathParams;
use super::problem::{Answer, Problem};
use super::refusal_text;
use crate::control::Control;
use crate::telemetry::KEPT;

/// A refusal and its explanation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refusal)]
pub(super) struct RefusalShown {
    refusal: String,
    /// `refused`, or what rules in shadow or annotate mode would have done: `would_refuse`, `would_terminate`. Those
    /// refused and terminated nothing.
    verdict: &'static str,
    #[schema(format = DateTime)]
    at: String,
    /// The reason word of logs and metrics.
    reason: &'static str,
    /// The application, if known.
    application: Option<String>,
    /// The account.
    account: Option<AccountName>,
    /// The account's label in the log.
    label: Option<String>,
    /// The stream.
    stream: Option<String>,
    /// The device, if identified.
    device: Option<String>,
    /// The asset.
    asset: Option<String>,
    /// The problem document sent to the viewer, if the request was refused.
    #[schema(value_type = Option<Object>)]
    problem: Option<Value>,
    /// Policy refusals: the account's streams, and the result of each rule.
    #[schema(value_type = Option<Object>)]
    explanation: Option<Value>,
    /// The refusal whose explanation this is: this one, or one of the same account a few seconds earlier.
    explained: Option<String>,
    /// All of it as plain text.
    text: String,
}

/// Explains a refusal.
#[utoipa::path(get, path = "/api/refusals/{refusal}", tag = "refusals", operation_id = "refusal",
    params(("refusal" = String, Path, description = "`refusal` of the problem document; `request` in the log.",
        pattern = "^[0-9a-f]{16}$")),
    responses(
        (status = 200, description = "The refusal.", body = RefusalShown),
        (status = 404, description = "Unknown or expired refusal.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    _: Reader,
    From(control): From<Control>,
    PathParams(name): PathParams<String>,
) -> Result<Answer<RefusalShown>, Problem> {
    let is_id = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_id.then(|| u64::from_str_radix(&name, 16).ok()).flatten();
    let refused = id.and_then(|id| control.admission.decisions.refusal(id)).ok_or_else(|| {
        Problem::nothing(format!(
           "No refusal with this id is stored. Refusals are kept for {}, less if there are very many, and are lost on restart. \
             Search the log for the id.",
            humantime::format_duration(KEPT)
        ))
    })?;
    let explained = control.admission.decisions.explanation(refused.id);
    let explanation = explained.as_ref().and_then(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let problem: Option<Value> = serde_json::from_slice(&refused.problem).ok();
    let account = refused.account.as_ref();
    let moment = control.admission.clock.moment();
    Ok(Answer(RefusalShown {
        refusal: format!("{:016x}", refused.id),
        verdict: refused.verdict.label(),
        at: time(moment.to_wall(refused.at)),
        reason: refused.reason,
        application: refused.application.as_ref().map(ToString::to_string),
        account: account.map(AccountName::new),
        label: account.map(|account| control.settings().keys.account_label(&account.key())),
        stream: refused.stream.map(|stream| stream.to_string()),
        device: refused.device.as_ref().and_then(|device| device.name()).map(str::to_owned),
        asset: refused.asset.as_ref().map(ToString::to_string),
        text: refusal_text::render(&refused, problem.as_ref(), explanation.as_ref(), moment),
        problem,
        explanation,
        explained: explained.map(|(id, _)| format!("{id:016x}")),
    }))
}
