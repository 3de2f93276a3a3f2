//! Blocks, with one route per kind of target.

use axum::extract::State as From;

use super::guard::{Operator, Reader};
use super::input::{Body, OverrideRequest, PathParams};
use super::orders::{OrderShown, OrderedShown, find, give, lift, of_account, of_device, of_session, of_token};
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::overrides::Kind;

/// Shows the block of an account set through this API.
#[utoipa::path(get, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "block_of_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The active block.", body = OrderShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_account(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_account(names)?)
}

/// Blocks an account for the given time, effective from its next request. Replaces the block of the same target that was set through this API.
#[utoipa::path(put, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "block_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "The block is active.", body = OrderedShown),
        (status = 404, description = "A name in the path is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too many overrides; remove some.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_account(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
    Body(wanted): Body<OverrideRequest>,
) -> Result<Answer<OrderedShown>, Problem> {
    give(&control, &operator, Kind::Block, of_account(names)?, &wanted).await
}

/// Removes the block of an account.
#[utoipa::path(delete, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "unblock_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The block is removed.", body = OrderedShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_account(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_account(names)?).await
}

/// Shows the block of a device set through this API.
#[utoipa::path(get, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "block_of_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The device id in its tokens.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The active block.", body = OrderShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_device(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_device(names)?)
}

/// Blocks a device of an account for the given time, effective from its next request. Replaces the block of the same target that was set through this API.
#[utoipa::path(put, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "block_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The device id in its tokens.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "The block is active.", body = OrderedShown),
        (status = 404, description = "A name in the path is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too many overrides; remove some.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_device(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String, String)>,
    Body(wanted): Body<OverrideRequest>,
) -> Result<Answer<OrderedShown>, Problem> {
    give(&control, &operator, Kind::Block, of_device(names)?, &wanted).await
}

/// Removes the block of a device.
#[utoipa::path(delete, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "unblock_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The device id in its tokens.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The block is removed.", body = OrderedShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_device(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_device(names)?).await
}

/// Shows the block of a token set through this API.
#[utoipa::path(get, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "block_of_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The token's id: `jti`, or its equivalent in the token's format.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The active block.", body = OrderShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_token(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_token(names)?)
}

/// Blocks a token for the given time, effective from its next request. Replaces the block of the same target that was set through this API.
#[utoipa::path(put, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "block_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The token's id: `jti`, or its equivalent in the token's format.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "The block is active.", body = OrderedShown),
        (status = 404, description = "A name in the path is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too many overrides; remove some.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_token(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
    Body(wanted): Body<OverrideRequest>,
) -> Result<Answer<OrderedShown>, Problem> {
    give(&control, &operator, Kind::Block, of_token(names)?, &wanted).await
}

/// Removes the block of a token.
#[utoipa::path(delete, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "unblock_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The token's id: `jti`, or its equivalent in the token's format.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The block is removed.", body = OrderedShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_token(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_token(names)?).await
}

/// Shows the block of a play session set through this API.
#[utoipa::path(get, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "block_of_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    responses(
        (status = 200, description = "The active block.", body = OrderShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_session(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<String>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_session(&names)?)
}

/// Blocks a play session for the given time, effective from its next request. Replaces the block of the same target that was set through this API.
#[utoipa::path(put, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "block_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "The block is active.", body = OrderedShown),
        (status = 404, description = "A name in the path is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too many overrides; remove some.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_session(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<String>,
    Body(wanted): Body<OverrideRequest>,
) -> Result<Answer<OrderedShown>, Problem> {
    give(&control, &operator, Kind::Block, of_session(&names)?, &wanted).await
}

/// Removes the block of a play session.
#[utoipa::path(delete, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "unblock_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    responses(
        (status = 200, description = "The block is removed.", body = OrderedShown),
        (status = 404, description = "No active block for this target.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_session(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<String>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_session(&names)?).await
}
