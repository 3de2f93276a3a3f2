//! The session API: applications declare streams, and are told what the policies make of them.

use utoipa_axum::router::OpenApiRouter;

use super::Control;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
}
