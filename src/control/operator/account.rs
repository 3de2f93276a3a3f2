//! Shows one account, and kills its streams.

use axum::extract::State as From;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::Action;
use super::dto::{AccountName, CauseShown, StreamShown, TerminatedShown, time};
use super::guard::{Operator, Reader};
use super::history::HappenedShown;
use super::input::{Body, PathParams, ReasonBody, account, stream};
use super::orders::OrderShown;
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::model::{Account, Device, StreamId};
use crate::overrides::{Kind, Target};
use crate::streams::Cause;
use crate::streams::account::AccountState;

/// An account with its streams, overrides and history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountRecord)]
pub(super) struct AccountShown {
    account: AccountName,
    /// The account's label in the log.
    label: String,
    /// How many of its streams hold a slot.
    holding: usize,
    /// Its streams, oldest first.
    streams: Vec<StreamShown>,
    /// Its terminated streams, as long as their tombstones last.
    terminated: Vec<TerminatedShown>,
    /// Its streams in grace, which are about to be terminated.
    terminating: Vec<LeavingShown>,
    /// The active block on the whole account, from this API or the `blocks` file.
    blocked: Option<BlockedShown>,
    /// Active blocks of the account and its devices, set through this API.
    blocks: Vec<OrderShown>,
    /// Its exemption from all policies.
    exemption: Option<OrderShown>,
    /// Decisions of the last hour, oldest first. May be incomplete.
    history: Vec<HappenedShown>,
}

/// A stream that plays on for a grace period before termination. It no longer counts against limits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leaving)]
pub(super) struct LeavingShown {
    /// The stream's id.
    stream: String,
    /// Why it is terminated.
    cause: CauseShown,
    /// When it is terminated.
    #[schema(format = DateTime)]
    due: String,
}

/// A block.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Blocked)]
pub(super) struct BlockedShown {
    /// End of the block; `null` if it does not expire.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The reason shown to the viewer.
    reason: String,
}

/// The streams that were killed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ended)]
pub(super) struct EndedShown {
    /// The streams, in their last state.
    ended: Vec<StreamShown>,
}

/// Shows one account: its streams, its terminated streams, and its recent decisions.
#[utoipa::path(get, path = "/api/accounts/{idp}/{subject}", tag = "accounts", operation_id = "account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The account.", body = AccountShown),
        (status = 404, description = "No streams, overrides or recent decisions for this account.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    _: Reader,
    From(control): From<Control>,
    PathParams((idp, subject)): PathParams<(String, String)>,
) -> Result<Answer<AccountShown>, Problem> {
    let account = account(&idp, &subject)?;
    let (settings, moment, key) = (control.settings(), control.admission.clock.moment(), account.key());
    let record = control.admission.table.peek(&key).map(|(_, record)| record);
    let is_known = record.as_ref().is_some_and(|record| !record.is_empty());
    let record = record.unwrap_or_default();
    let ordered = control.orders.list(Kind::Block, moment.wall).into_iter();
    let ordered = ordered.filter(|(whom, _)| whom.account().is_some_and(|of| of == account));
    let blocks: Vec<OrderShown> = ordered.map(|(whom, order)| OrderShown::new(&whom, &order)).collect();
    let whom = Target::Account { idp: account.idp.clone(), subject: account.subject.clone() };
    let exemption =
        control.orders.find(Kind::Exemption, &whom, moment.wall).map(|order| OrderShown::new(&whom, &order));
    // No device and no stream has these ids, so only a block of the account matches.
    let blocked = control.blocked(&key, &Device::Hint(0), StreamId([0; 16]));
    let history: Vec<HappenedShown> =
        control.admission.decisions.history(&key).iter().map(|one| HappenedShown::new(one, moment)).collect();
    if !is_known && blocks.is_empty() && exemption.is_none() && blocked.is_none() && history.is_empty() {
        return Err(unknown());
    }
    let terminating = record.leaving().iter().map(|terminating| LeavingShown {
        stream: terminating.stream.to_string(),
        cause: CauseShown::new(&terminating.cause),
        due: time(moment.to_wall(terminating.due)),
    });
    let terminated = record.tombstones().iter().map(|one| TerminatedShown::new(&account, one, &settings, moment));
    Ok(Answer(AccountShown {
        account: AccountName::new(&account),
        label: settings.keys.account_label(&key),
        holding: record.streams().iter().filter(|stream| stream.holds(&settings.streams, moment.now)).count(),
        streams: record.streams().iter().map(|one| StreamShown::new(&account, one, &settings, moment)).collect(),
        terminated: terminated.collect(),
        terminating: terminating.collect(),
        blocked: blocked.map(|block| BlockedShown { until: block.until.map(time), reason: block.reason.to_string() }),
        blocks,
        exemption,
        history,
    }))
}

/// Kills one stream. Its player is refused from its next request on, with the given reason.
#[utoipa::path(post, path = "/api/streams/{idp}/{subject}/{stream}/kill", tag = "streams", operation_id = "kill_stream",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
        ("stream" = String, Path, description = "The stream's id.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "The stream is killed.", body = EndedShown),
        (status = 404, description = "No such stream, or it has already ended.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable; retry.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn kill_stream(
    operator: Operator,
    From(control): From<Control>,
    PathParams((idp, subject, id)): PathParams<(String, String, String)>,
    Body(why): Body<ReasonBody>,
) -> Result<Answer<EndedShown>, Problem> {
    let (account, id, reason) = (account(&idp, &subject)?, stream(&id)?, why.reason()?);
    let record = control.admission.table.peek(&account.key()).map(|(_, record)| record).unwrap_or_default();
    let ended = end(&control, &operator, &account, &record, reason, Some(id)).await?;
    if ended.ended.is_empty() {
        return Err(Problem::nothing("The account has no such stream, or it has already ended."));
    }
    Ok(Answer(ended))
}

/// Kills all streams of an account. The account may start new ones at once, unless it is also blocked.
#[utoipa::path(post, path = "/api/accounts/{idp}/{subject}/kill", tag = "accounts", operation_id = "kill_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "All streams of the account are killed; `ended` may be empty.", body = EndedShown),
        (status = 404, description = "`idp` or `subject` is empty or too long.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable; retry.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn kill_account(
    operator: Operator,
    From(control): From<Control>,
    PathParams((idp, subject)): PathParams<(String, String)>,
    Body(why): Body<ReasonBody>,
) -> Result<Answer<EndedShown>, Problem> {
    let (account, reason) = (account(&idp, &subject)?, why.reason()?);
    let record = control.admission.table.peek(&account.key()).map(|(_, record)| record).unwrap_or_default();
    end(&control, &operator, &account, &record, reason, None).await.map(Answer)
}

/// Kills all streams of the account, or `only` one.
async fn end(
    control: &Control,
    operator: &Operator,
    account: &Account,
    record: &AccountState,
    reason: &str,
    only: Option<StreamId>,
) -> Result<EndedShown, Problem> {
    let (settings, moment) = (control.settings(), control.admission.clock.moment());
    let cause = Cause::Killed { reason: reason.into(), by: None };
    let (mut ended, mut failed) = (Vec::new(), false);
    for stream in record.streams().iter().filter(|stream| only.is_none_or(|only| stream.id == only)) {
        let shown = StreamShown::new(account, stream, &settings, moment);
        match control.admission.table.end(account, stream.id, &cause, moment.now).await {
            Ok(true) => ended.push(shown),
            Ok(false) => {}
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    if only.is_none() || !ended.is_empty() {
        let object = only.map_or_else(|| format!("{} streams", ended.len()), |stream| format!("stream {stream}"));
        let (what, account, object) = ("kill", Some(account), &object);
        operator.did(control, &Action { what, account, stream: only, object, duration: None, reason });
    }
    if failed {
        Err(Problem::unavailable("The stream store is unavailable. Retry in a moment."))
    } else {
        Ok(EndedShown { ended })
    }
}

fn unknown() -> Problem {
    Problem::nothing("This account has no streams, overrides or recent decisions.")
}
