//! Blocks and exemptions, each for a time.

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

/// Default and maximum page size.
const USUAL: usize = 100;
const MAX_PAGE: usize = 1000;
/// Maximum bytes of a name.
const MAX_NAME: usize = 256;

/// An override.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderShown {
    /// `account`, `device`, `token` or `session`.
    about: &'static str,
    /// The account of an account or device override.
    account: Option<AccountName>,
    /// The device of a device override.
    device: Option<String>,
    /// The application of a token override.
    application: Option<String>,
    /// The token's id of a token override.
    token: Option<String>,
    /// The play session of a session override.
    session: Option<String>,
    /// When it expires.
    #[schema(format = DateTime)]
    until: String,
    /// The reason. Shown to blocked viewers.
    reason: String,
    /// The operator who set it.
    by: String,
    /// When it was set.
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

/// An override that was set or removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ordered)]
pub(super) struct OrderedShown {
    order: OrderShown,
    /// True if the change survives a restart, which requires `streams.snapshot`.
    survives_restart: bool,
}

/// Active overrides.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Orders)]
pub(super) struct OrdersShown {
    /// One page, oldest first.
    orders: Vec<OrderShown>,
    /// `cursor` of the next page; absent on the last page.
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Page size.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<usize>,
    /// `next` of the previous page.
    #[param(pattern = "^[0-9a-f]{16}$", nullable = false)]
    cursor: Option<String>,
}

/// The account in the path.
pub(super) fn of_account((idp, subject): (String, String)) -> Result<Target, Problem> {
    let account = account(&idp, &subject)?;
    Ok(Target::Account { idp: account.idp, subject: account.subject })
}

/// The device in the path.
pub(super) fn of_device((idp, subject, device): (String, String, String)) -> Result<Target, Problem> {
    let account = account(&idp, &subject)?;
    name(&device)?;
    Ok(Target::Device { idp: account.idp, subject: account.subject, device: device.into() })
}

/// The token in the path.
pub(super) fn of_token((application, id): (String, String)) -> Result<Target, Problem> {
    name(&application)?;
    name(&id)?;
    Ok(Target::Token { application: application.into(), id: id.into() })
}

/// The play session in the path.
pub(super) fn of_session(id: &str) -> Result<Target, Problem> {
    stream(id).map(Target::Session)
}

fn name(text: &str) -> Result<(), Problem> {
    let fits = (1..=MAX_NAME).contains(&text.len());
    if fits { Ok(()) } else { Err(Problem::nothing("Not found: names must have 1 to 256 bytes.")) }
}

/// The active override of a target.
pub(super) fn find(control: &Control, kind: Kind, whom: &Target) -> Result<Answer<OrderShown>, Problem> {
    let order = control.orders.find(kind, whom, control.admission.clock.wall()).ok_or_else(|| missing(kind))?;
    Ok(Answer(OrderShown::new(whom, &order)))
}

/// Sets an override.
pub(super) async fn give(
    control: &Control,
    operator: &Operator,
    kind: Kind,
    whom: Target,
    wanted: &OverrideRequest,
) -> Result<Answer<OrderedShown>, Problem> {
    let (seconds, reason) = wanted.checked()?;
    let now = control.admission.clock.wall();
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

/// Removes an override.
pub(super) async fn lift(
    control: &Control,
    operator: &Operator,
    kind: Kind,
    whom: Target,
) -> Result<Answer<OrderedShown>, Problem> {
    let now = control.admission.clock.wall();
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
        return Err(Problem::malformed(format!("`limit` must be from 1 to {MAX_PAGE}.")));
    }
    let read = |text: &str| {
        let fits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    let wrong = || Problem::malformed("`cursor` is not the `next` of a page. Omit it to start over.");
    let behind = page.cursor.as_deref().map(|text| read(text).ok_or_else(wrong)).transpose()?.unwrap_or(0);
    let mut orders = control.orders.list(kind, control.admission.clock.wall());
    orders.retain(|(_, order)| order.number > behind);
    let next = orders.get(limit - 1).filter(|_| orders.len() > limit).map(|(_, last)| format!("{:016x}", last.number));
    let orders = orders.iter().take(limit).map(|(whom, order)| OrderShown::new(whom, order)).collect();
    Ok(Answer(OrdersShown { orders, next }))
}

/// Lists active blocks set through this API, without those of the `blocks` file.
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

/// Lists active exemptions.
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

/// The file of overrides. A reload may move it.
fn file(control: &Control) -> Option<PathBuf> {
    control.settings().snapshot.clone()
}

fn missing(kind: Kind) -> Problem {
    Problem::nothing(match kind {
        Kind::Block => "No active block set through this API. Remove blocks of the `blocks` file in that file.",
        Kind::Exemption => "No active exemption for this account.",
    })
}

fn broken() -> Problem {
    Problem::unavailable("The override could not be changed. See the log.")
}

/// A target in the log, besides the account.
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
