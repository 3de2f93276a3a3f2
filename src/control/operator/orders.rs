//! Shutting somebody out for a time, and exempting accounts from all policies for a time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as From;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::audit::Action;
use super::dto::{AccountName, time};
use super::guard::{Operator, Reader};
use super::input::{OverrideRequest, QueryParams, account, stream};
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::overrides::{Kept, Kind, Order, Target};

/// Items of a page, unless something else is asked for, and at most.
const USUAL: usize = 100;
const MAX_PAGE: usize = 1000;
/// Bytes of a name.
const MAX_NAME: usize = 256;

/// What was ordered about somebody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderShown {
    /// `account`, `device`, `token` or `session`.
    about: &'static str,
    /// The account, where it is about one or a device of one.
    account: Option<AccountName>,
    /// The device, where it is about one.
    device: Option<String>,
    /// The application of the token, where it is about one.
    application: Option<String>,
    /// The token's id, where it is about one.
    token: Option<String>,
    /// The play session, where it is about one.
    session: Option<String>,
    /// The first moment at which it does not hold.
    #[schema(format = DateTime)]
    until: String,
    /// Why. Who is blocked is told it.
    reason: String,
    /// Who ordered it.
    by: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

impl OrderShown {
    pub(super) fn new(whom: &Target, order: &Order) -> Self {
        let (mut device, mut application, mut token, mut session) = (None, None, None, None);
        let about = match whom {
            Target::Account { .. } => "account",
            Target::Device { device: name, .. } => {
                device = Some(name.to_string());
                "device"
            }
            Target::Token { application: of, id } => {
                (application, token) = (Some(of.to_string()), Some(id.to_string()));
                "token"
            }
            Target::Session(stream) => {
                session = Some(stream.to_string());
                "session"
            }
        };
        Self {
            about,
            account: whom.account().as_ref().map(AccountName::new),
            device,
            application,
            token,
            session,
            until: time(order.until),
            reason: order.reason.to_string(),
            by: order.by.to_string(),
            at: time(order.at),
        }
    }
}

/// An order that was given or lifted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ordered)]
pub(super) struct OrderedShown {
    /// Which.
    order: OrderShown,
    /// Whether that stays so over a restart: it does where `streams.snapshot` names a place.
    survives_restart: bool,
}

/// Orders that hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Orders)]
pub(super) struct OrdersShown {
    /// A page of them, oldest first.
    orders: Vec<OrderShown>,
    /// What to ask for the next page with, as `cursor`. The last page has none.
    next: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Items of one page.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9a-f]{16}$", nullable = false)]
    cursor: Option<String>,
}

/// An account, from its path.
pub(super) fn of_account((idp, subject): (String, String)) -> Result<Target, Problem> {
    let account = account(&idp, &subject)?;
    Ok(Target::Account { idp: account.idp, subject: account.subject })
}

/// A device of an account, from its path.
pub(super) fn of_device((idp, subject, device): (String, String, String)) -> Result<Target, Problem> {
    let account = account(&idp, &subject)?;
    name(&device)?;
    Ok(Target::Device { idp: account.idp, subject: account.subject, device: device.into() })
}

/// A token of an application, from its path.
pub(super) fn of_token((application, id): (String, String)) -> Result<Target, Problem> {
    name(&application)?;
    name(&id)?;
    Ok(Target::Token { application: application.into(), id: id.into() })
}

/// A play session, from its path.
pub(super) fn of_session(id: &str) -> Result<Target, Problem> {
    stream(id).map(Target::Session)
}

fn name(text: &str) -> Result<(), Problem> {
    let fits = (1..=MAX_NAME).contains(&text.len());
    if fits { Ok(()) } else { Err(Problem::nothing("There is nothing of that name: names have 1 to 256 bytes.")) }
}

/// The order about somebody that is in force.
pub(super) fn find(control: &Control, kind: Kind, whom: &Target) -> Result<Answer<OrderShown>, Problem> {
    let order = control.orders.find(kind, whom, control.clock.wall()).ok_or_else(|| missing(kind))?;
    Ok(Answer(OrderShown::new(whom, &order)))
}

/// Gives an order.
pub(super) async fn give(
    control: &Control,
    operator: &Operator,
    kind: Kind,
    whom: Target,
    wanted: &OverrideRequest,
) -> Result<Answer<OrderedShown>, Problem> {
    let (seconds, reason) = wanted.checked()?;
    let now = control.clock.wall();
    let duration = Duration::from_secs(seconds);
    let order = Order { until: now + duration, reason: reason.into(), by: operator.name.clone(), at: now, number: 0 };
    let shown = OrderShown::new(&whom, &order);
    let (orders, file, about) = (control.orders.clone(), file(control), whom.clone());
    let given = spawn_blocking(move || orders.set(kind, about, order, file.as_deref(), now)).await;
    let kept = given.map_err(|_| broken())?.map_err(|full| Problem::conflict("full", format!("{full}.")))?;
    let what = if kind == Kind::Block { "block" } else { "exempt" };
    let (account, object) = (whom.account(), &DisplayTarget(&whom));
    let account = account.as_ref();
    operator.did(control, &Action { what, account, stream: None, object, duration: Some(duration), reason });
    Ok(Answer(OrderedShown { order: shown, survives_restart: kept == Kept::OverRestarts }))
}

/// Lifts an order.
pub(super) async fn lift(
    control: &Control,
    operator: &Operator,
    kind: Kind,
    whom: Target,
) -> Result<Answer<OrderedShown>, Problem> {
    let now = control.clock.wall();
    let (orders, file, about) = (control.orders.clone(), file(control), whom.clone());
    let lifted = spawn_blocking(move || orders.remove(kind, &about, file.as_deref(), now)).await;
    let (order, kept) = lifted.map_err(|_| broken())?.ok_or_else(|| missing(kind))?;
    let what = if kind == Kind::Block { "unblock" } else { "end exemption" };
    let (account, object) = (whom.account(), &DisplayTarget(&whom));
    let account = account.as_ref();
    operator.did(control, &Action { what, account, stream: None, object, duration: None, reason: "" });
    let order = OrderShown::new(&whom, &order);
    Ok(Answer(OrderedShown { order, survives_restart: kept == Kept::OverRestarts }))
}

fn list(control: &Control, kind: Kind, page: &Page) -> Result<Answer<OrdersShown>, Problem> {
    let limit = page.limit.unwrap_or(USUAL);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::malformed(format!("`limit` is a number from 1 to {MAX_PAGE}.")));
    }
    let read = |text: &str| {
        let fits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    let wrong = || Problem::malformed("`cursor` is not the `next` of a page: begin without it.");
    let behind = page.cursor.as_deref().map(|text| read(text).ok_or_else(wrong)).transpose()?.unwrap_or(0);
    let mut orders = control.orders.list(kind, control.clock.wall());
    orders.retain(|(_, order)| order.number > behind);
    let next = orders.get(limit - 1).filter(|_| orders.len() > limit).map(|(_, last)| format!("{:016x}", last.number));
    let orders = orders.iter().take(limit).map(|(whom, order)| OrderShown::new(whom, order)).collect();
    Ok(Answer(OrdersShown { orders, next }))
}

/// Blocks that were ordered here and hold. Those of the file of `blocks` are not among them.
#[utoipa::path(get, path = "/api/blocks", tag = "blocks", operation_id = "blocks", params(Page), responses(
    (status = 200, description = "A page of blocks.", body = OrdersShown),
))]
pub(super) async fn blocks(
    _: Reader,
    From(control): From<Control>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Answer<OrdersShown>, Problem> {
    list(&control, Kind::Block, &page)
}

/// Exemptions that hold.
#[utoipa::path(get, path = "/api/exemptions", tag = "exemptions", operation_id = "exemptions", params(Page), responses(
    (status = 200, description = "A page of exemptions.", body = OrdersShown),
))]
pub(super) async fn exemptions(
    _: Reader,
    From(control): From<Control>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Answer<OrdersShown>, Problem> {
    list(&control, Kind::Exemption, &page)
}

/// Where orders are kept. A reload may have moved it.
fn file(control: &Control) -> Option<PathBuf> {
    control.settings().snapshot.clone()
}

fn missing(kind: Kind) -> Problem {
    Problem::nothing(match kind {
        Kind::Block => {
            "No such block was ordered here, or its time is over. Those of the file of `blocks` are lifted there."
        }
        Kind::Exemption => "There is no such exemption, or its time is over.",
    })
}

fn broken() -> Problem {
    Problem::unavailable("The orders could not be changed; see the log.")
}

/// What the log says of a target, besides the account.
struct DisplayTarget<'a>(&'a Target);

impl fmt::Display for DisplayTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: &Arc<str> = match self.0 {
            Target::Account { .. } => return f.write_str("account"),
            Target::Session(stream) => return write!(f, "session {stream}"),
            Target::Device { device, .. } => {
                f.write_str("device ")?;
                device
            }
            Target::Token { application, id } => {
                write!(f, "token of {application} ")?;
                id
            }
        };
        f.write_str(text)
    }
}
