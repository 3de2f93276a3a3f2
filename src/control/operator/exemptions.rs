//! The exemptions of accounts.

use axum::extract::State as From;

use super::guard::{Operator, Reader};
use super::input::{Body, OverrideRequest, PathParams};
use super::orders::{OrderShown, OrderedShown, find, give, lift, of_account};
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::overrides::Kind;

/// The exemption of an account.
#[utoipa::path(get, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "exemption",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account within it.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It holds.", body = OrderShown),
        (status = 404, description = "None holds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Exemption, &of_account(names)?)
}

/// Exempts an account from all policies for a time. Its streams are counted all the same.
#[utoipa::path(put, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "exempt",
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
pub(super) async fn put(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
    Body(wanted): Body<OverrideRequest>,
) -> Result<Answer<OrderedShown>, Problem> {
    give(&control, &operator, Kind::Exemption, of_account(names)?, &wanted).await
}

/// Ends an exemption. Streams that play go on; from now on what starts or returns is judged.
#[utoipa::path(delete, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "end_exemption",
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
pub(super) async fn delete(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Exemption, of_account(names)?).await
}
