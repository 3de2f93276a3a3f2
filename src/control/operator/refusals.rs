//! Why a request was refused, by the id that the viewer was told.

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

/// A refusal, and on what it rests.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refusal)]
pub(super) struct RefusalShown {
    /// Its id.
    refusal: String,
    /// `refused`; `would_refuse` and `would_terminate` tell what rules in shadow or annotate mode would have done. Nothing was
    /// refused or terminated then.
    verdict: &'static str,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The word for it in logs and metrics.
    reason: &'static str,
    /// Whose request it was, as far as that was known.
    application: Option<String>,
    /// The account.
    account: Option<AccountName>,
    /// What the log calls it.
    label: Option<String>,
    /// The stream.
    stream: Option<String>,
    /// The device, where something names it.
    device: Option<String>,
    /// What was asked for.
    asset: Option<String>,
    /// What the viewer was told, where anything was refused.
    #[schema(value_type = Option<Object>)]
    problem: Option<Value>,
    /// Where policies refused it: what was known of the account's streams, and what each rule made of it.
    #[schema(value_type = Option<Object>)]
    explanation: Option<Value>,
    /// Whose explanation that is: this refusal's, or that of one of the same account a few seconds before.
    explained: Option<String>,
    /// All of it for people.
    text: String,
}

/// Why something was refused.
#[utoipa::path(get, path = "/api/refusals/{refusal}", tag = "refusals", operation_id = "refusal",
    params(("refusal" = String, Path, description = "`refusal` of the problem document; `request` in the log.",
        pattern = "^[0-9a-f]{16}$")),
    responses(
        (status = 200, description = "The refusal.", body = RefusalShown),
        (status = 404, description = "It is not remembered.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    _: Reader,
    From(control): From<Control>,
    PathParams(name): PathParams<String>,
) -> Result<Answer<RefusalShown>, Problem> {
    let is_id = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_id.then(|| u64::from_str_radix(&name, 16).ok()).flatten();
    let refused = id.and_then(|id| control.decisions.refusal(id)).ok_or_else(|| {
        Problem::nothing(format!(
            "No refusal of that id is remembered. They are kept for {}, less where there are very many, and not over a \
             restart; the log may know more.",
            humantime::format_duration(KEPT)
        ))
    })?;
    let explained = control.decisions.explanation(refused.id);
    let explanation = explained.as_ref().and_then(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let problem: Option<Value> = serde_json::from_slice(&refused.problem).ok();
    let account = refused.account.as_ref();
    let moment = control.clock.moment();
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
