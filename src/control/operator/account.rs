//! One account in full, and ending what it plays.

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

/// All that is known of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountRecord)]
pub(super) struct AccountShown {
    /// Which.
    account: AccountName,
    /// What the log calls it.
    label: String,
    /// How many of its streams hold a slot.
    holding: usize,
    /// Its streams, in the order in which they came.
    streams: Vec<StreamShown>,
    /// Its streams that were terminated and are remembered.
    terminated: Vec<TerminatedShown>,
    /// Its streams that will be terminated.
    terminating: Vec<LeavingShown>,
    /// What shuts the whole account out now, by order or by the file of blocks.
    blocked: Option<BlockedShown>,
    /// The blocks of the account and its devices that were ordered here.
    blocks: Vec<OrderShown>,
    /// Its exemption from all policies.
    exemption: Option<OrderShown>,
    /// What was decided about it within the last hour, as far as it is remembered; oldest first.
    history: Vec<HappenedShown>,
}

/// A stream that plays on for a time before it is terminated. It does not count any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leaving)]
pub(super) struct LeavingShown {
    /// Which.
    stream: String,
    /// Why.
    cause: CauseShown,
    /// When.
    #[schema(format = DateTime)]
    due: String,
}

/// What shuts an account out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Blocked)]
pub(super) struct BlockedShown {
    /// Until when; `null`: for ever.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// What the viewer is told.
    reason: String,
}

/// What was ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ended)]
pub(super) struct EndedShown {
    /// The streams, as they were.
    ended: Vec<StreamShown>,
}

/// One account: its streams, those that were terminated, and what was decided about it.
#[utoipa::path(get, path = "/api/accounts/{idp}/{subject}", tag = "accounts", operation_id = "account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The account.", body = AccountShown),
        (status = 404, description = "Nothing is known of it.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    _: Reader,
    From(control): From<Control>,
    PathParams((idp, subject)): PathParams<(String, String)>,
) -> Result<Answer<AccountShown>, Problem> {
    let account = account(&idp, &subject)?;
    let (settings, moment, key) = (control.settings(), control.clock.moment(), account.key());
    let record = control.table.peek(&key).map(|(_, record)| record);
    let is_known = record.as_ref().is_some_and(|record| !record.is_empty());
    let record = record.unwrap_or_default();
    let ordered = control.orders.list(Kind::Block, moment.wall).into_iter();
    let ordered = ordered.filter(|(whom, _)| whom.account().is_some_and(|of| of == account));
    let blocks: Vec<OrderShown> = ordered.map(|(whom, order)| OrderShown::new(&whom, &order)).collect();
    let whom = Target::Account { idp: account.idp.clone(), subject: account.subject.clone() };
    let exemption =
        control.orders.find(Kind::Exemption, &whom, moment.wall).map(|order| OrderShown::new(&whom, &order));
    // No device and no stream has this name: what is found is about the account.
    let blocked = control.blocked(&key, &Device::Hint(0), StreamId([0; 16]));
    let history: Vec<HappenedShown> =
        control.decisions.history(&key).iter().map(|one| HappenedShown::new(one, moment)).collect();
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

/// Ends one stream. Its player is refused from its next request on, and told the reason.
#[utoipa::path(post, path = "/api/streams/{idp}/{subject}/{stream}/kill", tag = "streams", operation_id = "kill_stream",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
        ("stream" = String, Path, description = "The stream's id.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "It has ended.", body = EndedShown),
        (status = 404, description = "It does not play.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store is away.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn kill_stream(
    operator: Operator,
    From(control): From<Control>,
    PathParams((idp, subject, id)): PathParams<(String, String, String)>,
    Body(why): Body<ReasonBody>,
) -> Result<Answer<EndedShown>, Problem> {
    let (account, id, reason) = (account(&idp, &subject)?, stream(&id)?, why.reason()?);
    let record = control.table.peek(&account.key()).map(|(_, record)| record).unwrap_or_default();
    let ended = end(&control, &operator, &account, &record, reason, Some(id)).await?;
    if ended.ended.is_empty() {
        return Err(Problem::nothing("The account has no such stream, or it has ended already."));
    }
    Ok(Answer(ended))
}

/// Ends all streams of an account. It may start others at once, unless it is blocked too.
#[utoipa::path(post, path = "/api/accounts/{idp}/{subject}/kill", tag = "accounts", operation_id = "kill_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "They have ended; there may have been none.", body = EndedShown),
        (status = 404, description = "There can be no such account.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store is away.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn kill_account(
    operator: Operator,
    From(control): From<Control>,
    PathParams((idp, subject)): PathParams<(String, String)>,
    Body(why): Body<ReasonBody>,
) -> Result<Answer<EndedShown>, Problem> {
    let (account, reason) = (account(&idp, &subject)?, why.reason()?);
    let record = control.table.peek(&account.key()).map(|(_, record)| record).unwrap_or_default();
    end(&control, &operator, &account, &record, reason, None).await.map(Answer)
}

/// Ends all streams of the record, or `only` one.
async fn end(
    control: &Control,
    operator: &Operator,
    account: &Account,
    record: &AccountState,
    reason: &str,
    only: Option<StreamId>,
) -> Result<EndedShown, Problem> {
    let (settings, moment) = (control.settings(), control.clock.moment());
    let cause = Cause::Killed { reason: reason.into(), by: None };
    let (mut ended, mut failed) = (Vec::new(), false);
    for stream in record.streams().iter().filter(|stream| only.is_none_or(|only| stream.id == only)) {
        let shown = StreamShown::new(account, stream, &settings, moment);
        match control.table.end(account, stream.id, &cause, moment.now).await {
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
        Err(Problem::unavailable("The store of streams is away: try again."))
    } else {
        Ok(EndedShown { ended })
    }
}

fn unknown() -> Problem {
    Problem::nothing("Nothing is known of this account: it plays nothing, and has not for a while.")
}
