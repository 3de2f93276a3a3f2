//! The session API: applications declare streams, and are told what the policies make of them.
//!
//! What both published versions share stands here: whose streams a path speaks of ([`account`]), what an application says of
//! them ([`metadata`]) and has to say ([`required`]), and what it is shown ([`view`]).

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

/// Streams of one account beyond which an application may declare no more, where no policy says less.
const MAX_STREAMS: usize = 1000;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().merge(v1::routes()).merge(v2::routes())
}
