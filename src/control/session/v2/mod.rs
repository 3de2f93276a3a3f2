//! Version 2: we decide. Each call is answered by status and headers; a body comes only with what its application has to know.

mod advice;
mod answer;
mod call;
mod heartbeat;
mod kills;
mod listing;
mod over;
mod result;
mod start;
mod stop;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::any;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::control::Control;
use answer::{Answer, preflight};

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Control> {
    let calls = [
        routes!(start::start),
        routes!(heartbeat::heartbeat, stop::stop),
        routes!(listing::running_streams),
        routes!(listing::metadata),
    ];
    let mut router = OpenApiRouter::new().route("/v2", any(unknown)).route("/v2/{*path}", any(unknown));
    for call in calls {
        router = router.routes(call.map(|call| call.fallback(other_method)));
    }
    let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    router.get_openapi_mut().components.get_or_insert_default().add_security_scheme("application", basic);
    router
}

async fn unknown(State(control): State<Control>, headers: HeaderMap) -> Response {
    Answer::UNKNOWN.into_response(&headers, &(control.settings)(), control.clock.now())
}

/// Browsers ask before they call; nobody needs to be known for that.
async fn other_method(State(control): State<Control>, method: Method, headers: HeaderMap) -> Response {
    let (settings, now) = ((control.settings)(), control.clock.now());
    let mut answer = Answer::WRONG_METHOD.into_response(&headers, &settings, now);
    if method == Method::OPTIONS {
        preflight(&mut answer);
    }
    answer
}
