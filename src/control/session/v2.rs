//! Version 2: Streamgate decides. Answers consist of status and headers; a body is sent only when the application needs
//! it.

mod advice;
mod answer;
mod call;
mod ended;
mod heartbeat;
mod kills;
mod listing;
mod result;
mod start;
mod stop;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::any;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::control::Control;
use answer::{Answer, preflight};

pub(super) fn routes() -> OpenApiRouter<Control> {
    let calls = [
        routes!(start::start),
        routes!(heartbeat::heartbeat, stop::stop),
        routes!(listing::running_streams),
        routes!(listing::metadata),
    ];
    let mut router = OpenApiRouter::new();
    for path in ["/v2", "/v2/", "/v2/{*path}"] {
        router = router.route(path, any(unknown));
    }
    for call in calls {
        router = router.routes(call.map(|call| call.fallback(other_method)));
    }
    router
}

async fn unknown(State(control): State<Control>, headers: HeaderMap) -> Response {
    Answer::UNKNOWN.into_response(&headers, &control.settings(), control.admission.clock.wall())
}

/// CORS preflight needs no credentials.
async fn other_method(State(control): State<Control>, method: Method, headers: HeaderMap) -> Response {
    let (settings, now) = (control.settings(), control.admission.clock.wall());
    let mut answer = Answer::WRONG_METHOD.into_response(&headers, &settings, now);
    if method == Method::OPTIONS {
        preflight(&mut answer);
    }
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::routes;

    #[test]
    fn every_call_is_documented_with_what_it_takes_and_gives() {
        let document = serde_json::to_value(routes().into_openapi()).unwrap();
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        let expected = [
            "/v2/metadata",
            "/v2/runningStreams/{idp}/{subject}",
            "/v2/sessions/{idp}/{subject}",
            "/v2/sessions/{idp}/{subject}/{session}",
        ];
        assert_eq!(paths, expected);
        let start = &document["paths"]["/v2/sessions/{idp}/{subject}"]["post"];
        for kind in ["application/x-www-form-urlencoded", "application/json"] {
            let schema = &start["requestBody"]["content"][kind]["schema"];
            assert_eq!(
                (&schema["type"], &schema["additionalProperties"]["type"]),
                (&json!("object"), &json!("string"))
            );
        }
        let statuses: Vec<&String> = start["responses"].as_object().unwrap().keys().collect();
        assert_eq!(statuses, ["202", "400", "401", "403", "409", "429"]);
        assert_eq!(start["security"], json!([{ "basic": [] }]));
        let advice = &document["components"]["schemas"]["Advice"]["oneOf"];
        assert_eq!(advice.as_array().map(Vec::len), Some(2), "{advice}");
        assert_ne!(document["components"]["schemas"]["RuleViolation"]["properties"]["conflicts"], Value::Null);
    }
}
