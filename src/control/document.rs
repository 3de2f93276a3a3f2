//! The `OpenAPI` 3.1 document of the whole control port, generated from the routes.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

use super::Control;

/// The document without paths.
pub(super) fn empty() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Streamgate control API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "`/api` is for operators, `/v1` and `/v2` are for applications, `/authz` is for other proxies. The remaining \
             routes are for monitoring.",
        ))
        .build();
    let mut components = Components::new();
    let mut add = |name: &str, scheme: HttpAuthScheme, description: &str| {
        let scheme = HttpBuilder::new().scheme(scheme).description(Some(description)).build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    };
    add("bearer", HttpAuthScheme::Bearer, "A token from `control.tokens`. Not required if none is configured.");
    add("basic", HttpAuthScheme::Basic, "The application's id as user name, with an empty password.");
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "about", operation_id = "document", responses(
    (status = 200, description = "The OpenAPI document. No token required.", body = serde_json::Value)
))]
pub(super) async fn document(State(control): State<Control>) -> impl IntoResponse {
    let json = control.document.get().cloned().unwrap_or_default();
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], json)
}
