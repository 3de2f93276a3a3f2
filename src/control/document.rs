//! The description of the whole control port as an `OpenAPI` 3.1 document. Its paths come from the routes themselves.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

use super::Control;

/// What there is besides paths.
pub(super) fn empty() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Streamgate's control port")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "`/api` is for operators, `/v1` and `/v2` are for applications, `/authz` is for other proxies, and the rest \
             is for whoever watches over the program.",
        ))
        .build();
    let mut components = Components::new();
    let mut add = |name: &str, scheme: HttpAuthScheme, description: &str| {
        let scheme = HttpBuilder::new().scheme(scheme).description(Some(description)).build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    };
    add("bearer", HttpAuthScheme::Bearer, "A token of `control.tokens`. Where there are none, none is asked for.");
    add("basic", HttpAuthScheme::Basic, "The id of an application as the user's name, and no password.");
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "about", operation_id = "document", responses(
    (status = 200, description = "The OpenAPI document; no token is asked for.", body = serde_json::Value)
))]
pub(super) async fn document(State(control): State<Control>) -> impl IntoResponse {
    let json = control.document.get().cloned().unwrap_or_default();
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], json)
}
