//! The exemptions of accounts.

use axum::extract::State as From;

use super::guard::{Operator, Reader};
use super::input::{Body, OverrideRequest, PathParams};
use super::orders::{OrderShown, OrderedShown, find, give, lift, of_account};
use super::problem::{Answer, Problem};
use crate::control::Control;
use crate::overrides::Kind;

/// Shows the exemption of an account.
#[utoipa::path(get, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "exemption",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The active exemption.", body = OrderShown),
        (status = 404, description = "No active exemption for this account.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    _: Reader,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderShown>, Problem> {
    find(&control, Kind::Exemption, &of_account(names)?)
}

/// Exempts an account from all policies for a time. Its streams are still counted.
#[utoipa::path(put, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "exempt",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    request_body = OverrideRequest,
    responses(
        (status = 200, description = "The exemption is active.", body = OrderedShown),
        (status = 404, description = "A name in the path is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too many overrides; remove some.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
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

/// Removes an exemption. Running streams continue; streams that start or return are evaluated again.
#[utoipa::path(delete, path = "/api/exemptions/{idp}/{subject}", tag = "exemptions", operation_id = "end_exemption",
    params(
        ("idp" = String, Path, description = "The identity provider.", min_length = 1, max_length = 256),
        ("subject" = String, Path, description = "The account at that provider.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The exemption is removed.", body = OrderedShown),
        (status = 404, description = "No active exemption for this account.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The override could not be changed; see the log.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    operator: Operator,
    From(control): From<Control>,
    PathParams(names): PathParams<(String, String)>,
) -> Result<Answer<OrderedShown>, Problem> {
    lift(&control, &operator, Kind::Exemption, of_account(names)?).await
}
