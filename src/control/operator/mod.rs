//! The operator's API: looking at streams and accounts, and doing something about them.

use utoipa_axum::router::OpenApiRouter;

use super::Control;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
}
