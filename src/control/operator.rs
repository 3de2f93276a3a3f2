//! The operator API: shows streams and accounts, and changes them.

mod account;
mod audit;
mod blocks;
mod common;
mod dto;
mod exemptions;
mod guard;
mod history;
mod input;
mod listing;
mod orders;
mod problem;
mod program;
mod refusal_text;
mod refusals;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Control;
use guard::Reader;
use problem::Problem;

pub(super) fn routes() -> OpenApiRouter<Control> {
    let routes = OpenApiRouter::new()
        .routes(routes!(listing::streams))
        .routes(routes!(listing::accounts))
        .routes(routes!(account::show))
        .routes(routes!(account::kill_stream))
        .routes(routes!(account::kill_account))
        .routes(routes!(refusals::show))
        .routes(routes!(orders::blocks))
        .routes(routes!(blocks::get_account, blocks::put_account, blocks::delete_account))
        .routes(routes!(blocks::get_device, blocks::put_device, blocks::delete_device))
        .routes(routes!(blocks::get_token, blocks::put_token, blocks::delete_token))
        .routes(routes!(blocks::get_session, blocks::put_session, blocks::delete_session))
        .routes(routes!(orders::exemptions))
        .routes(routes!(exemptions::get, exemptions::put, exemptions::delete))
        .routes(routes!(program::status))
        .routes(routes!(program::config))
        .routes(routes!(program::reload))
        .routes(routes!(program::drain, program::undrain));
    let (plain, mut document) = routes.split_for_parts();
    common::complete(&mut document);
    let mut whole = OpenApiRouter::from(plain.method_not_allowed_fallback(not_for_this));
    *whole.get_openapi_mut() = document;
    whole
}

/// True if the path belongs to this API.
pub(super) fn is_below(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers an unknown path. Without a valid token the answer is 401 or 403, so that it reveals no routes.
pub(super) fn not_found(control: &Control, request: &Request) -> Response {
    let path = "No such path. See /api/openapi.json for all routes.";
    guard::admits(request, control).map_or_else(|problem| problem, |()| Problem::nothing(path)).into_response()
}

async fn not_for_this(_: Reader) -> Problem {
    Problem::method()
}
