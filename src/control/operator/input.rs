//! Extracts and validates requests.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::control::Control;
use crate::identity::percent_decoded;
use crate::model::{Account, StreamId};

/// Maximum bytes of a body.
const MAX_BODY: usize = 64 << 10;
/// Maximum time to receive a body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum bytes of `idp` and of `subject`.
const MAX_NAME: usize = 256;
/// Maximum characters of a reason.
const MAX_REASON: usize = 500;
/// Maximum duration of an override, in seconds: a year.
const MAX_SECONDS: u64 = 31_536_000;

/// Path parameters, percent-decoded once.
#[derive(Debug)]
pub(super) struct PathParams<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Control> for PathParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, control).await;
        read.map(|Path(names)| Self(names)).map_err(|error: PathRejection| {
            Problem::malformed(format!("The path is malformed: {}.", error.body_text().trim_end_matches('.')))
        })
    }
}

/// The account in the path.
pub(super) fn account(idp: &str, subject: &str) -> Result<Account, Problem> {
    let fits = |name: &str| (1..=MAX_NAME).contains(&name.len());
    if fits(idp) && fits(subject) {
        return Ok(Account::new(idp, subject));
    }
    Err(Problem::nothing("No such account: `idp` and `subject` must have 1 to 256 bytes."))
}

/// The stream in the path.
pub(super) fn stream(id: &str) -> Result<StreamId, Problem> {
    id.parse().map_err(|error| Problem::nothing(format!("No such stream: {error}.")))
}

#[derive(Debug)]
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Control> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Control) -> Result<Self, Problem> {
        let raw = parts.uri.query().unwrap_or_default();
        if std::str::from_utf8(&percent_decoded(raw.as_bytes())).is_err() {
            return Err(Problem::malformed("The query is not UTF-8."));
        }
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Self(asked)).map_err(|error| {
            let text = error.body_text();
            let reason = text.rsplit_once("query string: ").map_or(&*text, |(_, reason)| reason);
            Problem::malformed(format!("The query is malformed: {reason}."))
        })
    }
}

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Control> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Control) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::not_json());
        }
        let Ok(bytes) = timeout(PATIENCE, to_bytes(request.into_body(), MAX_BODY)).await else {
            return Err(Problem::malformed("The body was not received in time."));
        };
        let bytes = bytes.map_err(|_| Problem::too_large(MAX_BODY))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::unprocessable(format!("The body is invalid: {error}.")),
            _ => Problem::malformed(format!("The body is not valid JSON: {error}.")),
        })
    }
}

/// Validates a reason.
fn reason(text: &str) -> Result<(), Problem> {
    let count = text.chars().count();
    if count == 0 || count > MAX_REASON || text.chars().any(char::is_control) {
        let detail = format!("`reason` must be one line of 1 to {MAX_REASON} characters.");
        return Err(Problem::unprocessable(detail));
    }
    Ok(())
}

/// The reason for an action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    /// The reason shown to the viewer: one line.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    reason: String,
}

impl ReasonBody {
    pub(super) fn reason(&self) -> Result<&str, Problem> {
        reason(&self.reason).map(|()| &*self.reason)
    }
}

/// An override.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideRequest {
    /// Duration from now, in seconds.
    #[schema(minimum = 1, maximum = 31_536_000)]
    #[serde(deserialize_with = "whole")]
    seconds: u64,
    /// The reason: one line. Shown to blocked viewers.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    reason: String,
}

/// A whole number in any notation: in JSON Schema, 60.0 is an integer.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let fits = |number: &f64| number.fract() == 0.0 && (0.0..=1e12).contains(number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and fits")]
    let whole = number.as_u64().or_else(|| number.as_f64().filter(fits).map(|number| number as u64));
    whole.ok_or_else(|| D::Error::custom("`seconds` is not a whole number"))
}

impl OverrideRequest {
    /// The duration in seconds, and the reason.
    pub(super) fn checked(&self) -> Result<(u64, &str), Problem> {
        reason(&self.reason)?;
        if !(1..=MAX_SECONDS).contains(&self.seconds) {
            return Err(Problem::unprocessable(format!("`seconds` must be from 1 to {MAX_SECONDS} (one year).")));
        }
        Ok((self.seconds, &self.reason))
    }
}
