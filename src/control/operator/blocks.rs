//! The blocks, one address for each whom they can be about.

use axum::extract::State as From;

use super::guard::{Operator, Reader};
use super::input::{Body, OverrideRequest, PathParams};
use super::orders::{OrderShown, OrderedShown, find, give, lift, of_account, of_device, of_session, of_token};
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::overrides::Kind;

/// The block of an account that was ordered here.
#[utoipa::path(get, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "block_of_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It holds.", body = OrderShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_account(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_account(names)?)
}

/// Shuts an account out for a time, from the next request on. What was ordered before about it is over.
#[utoipa::path(put, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "block_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "It holds from now on.", body = OrderedShown),
        (status = 404, description = "There can be nothing of that name.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
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

/// Lifts the block of an account.
#[utoipa::path(delete, path = "/api/blocks/accounts/{idp}/{subject}", tag = "blocks", operation_id = "unblock_account",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It does not hold any more.", body = OrderedShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_account(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_account(names)?).await
}

/// The block of a device of an account that was ordered here.
#[utoipa::path(get, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "block_of_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The name that tokens give it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It holds.", body = OrderShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_device(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_device(names)?)
}

/// Shuts a device of an account out for a time, from the next request on. What was ordered before about it is over.
#[utoipa::path(put, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "block_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The name that tokens give it.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "It holds from now on.", body = OrderedShown),
        (status = 404, description = "There can be nothing of that name.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
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

/// Lifts the block of a device of an account.
#[utoipa::path(delete, path = "/api/blocks/devices/{idp}/{subject}/{device}", tag = "blocks", operation_id = "unblock_device",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
        ("device" = String, Path, description = "The name that tokens give it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It does not hold any more.", body = OrderedShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_device(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_device(names)?).await
}

/// The block of what a token proves that was ordered here.
#[utoipa::path(get, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "block_of_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The id in the token: `jti`, or what its format has in that place.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It holds.", body = OrderShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_token(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_token(names)?)
}

/// Shuts what a token proves out for a time, from the next request on. What was ordered before about it is over.
#[utoipa::path(put, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "block_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The id in the token: `jti`, or what its format has in that place.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "It holds from now on.", body = OrderedShown),
        (status = 404, description = "There can be nothing of that name.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
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

/// Lifts the block of what a token proves.
#[utoipa::path(delete, path = "/api/blocks/tokens/{application}/{id}", tag = "blocks", operation_id = "unblock_token",
    params(
        ("application" = String, Path, description = "The application.", min_length = 1, max_length = 256),
        ("id" = String, Path, description = "The id in the token: `jti`, or what its format has in that place.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It does not hold any more.", body = OrderedShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_token(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_token(names)?).await
}

/// The block of a play session that was ordered here.
#[utoipa::path(get, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "block_of_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    responses(
        (status = 200, description = "It holds.", body = OrderShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_session(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<String>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Block, &of_session(&names)?)
}

/// Shuts a play session out for a time, from the next request on. What was ordered before about it is over.
#[utoipa::path(put, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "block_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "It holds from now on.", body = OrderedShown),
        (status = 404, description = "There can be nothing of that name.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
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

/// Lifts the block of a play session.
#[utoipa::path(delete, path = "/api/blocks/sessions/{stream}", tag = "blocks", operation_id = "unblock_session",
    params(
        ("stream" = String, Path, description = "The id of its stream.",
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    responses(
        (status = 200, description = "It does not hold any more.", body = OrderedShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be changed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_session(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<String>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Block, of_session(&names)?).await
}
