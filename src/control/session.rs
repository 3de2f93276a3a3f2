//! The session API: applications declare streams and receive the decisions of the policies.
//!
//! Shared by both versions: the account in the path ([`account`]), the stream's attributes ([`metadata`]), required
//! attributes ([`required`]), and what an application may see ([`view`]).

mod account;
mod counting;
mod malformed;
mod metadata;
mod required;
mod throttle;
mod v1;
mod v2;
mod view;

use utoipa_axum::router::OpenApiRouter;

use super::Control;

pub(super) use counting::count;
pub use throttle::Throttle;

/// Maximum streams of one account that applications may declare, whatever its policies.
const MAX_STREAMS: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().merge(v1::routes()).merge(v2::routes())
}
