//! Claims by number and name: RFC 8392 §4, RFC 8693 §4.2 (`scope`), RFC 8747 (`cnf`), CTA-5007.

use std::borrow::Cow;

use ciborium::Value;
use serde_json::{Map, Value as Json};

use crate::identity::error::TokenError;

use super::cbor;

pub(super) const EXP: i64 = 4;
pub(super) const IAT: i64 = 6;
/// The key or connection that a token is bound to (RFC 8747).
const CONFIRMATION: i64 = 8;
const GEOHASH: i64 = 282;
pub(super) const REPLAY: i64 = 308;
pub(super) const VERSION: i64 = 310;
pub(super) const NETWORK: i64 = 311;
pub(super) const URL: i64 = 312;
pub(super) const METHODS: i64 = 313;
pub(super) const ALPN: i64 = 314;
pub(super) const HEADERS: i64 = 315;
pub(super) const COUNTRIES: i64 = 316;

const NAMES: [(i64, &str); 27] = [
    (1, "iss"),
    (2, "sub"),
    (3, "aud"),
    (EXP, "exp"),
    (5, "nbf"),
    (IAT, "iat"),
    (7, "cti"),
    (CONFIRMATION, "cnf"),
    (9, "scope"),
    (GEOHASH, "geohash"),
    (REPLAY, "catreplay"),
    (309, "catpor"),
    (VERSION, "catv"),
    (NETWORK, "catnip"),
    (URL, "catu"),
    (METHODS, "catm"),
    (ALPN, "catalpn"),
    (HEADERS, "cath"),
    (COUNTRIES, "catgeoiso3166"),
    (317, "catgeocoord"),
    (318, "catgeoalt"),
    (319, "cattpk"),
    (320, "catifdata"),
    (321, "catdpop"),
    (322, "catif"),
    (323, "catr"),
    (324, "cattprint"),
];

/// The registered name, or else the number in decimal.
pub(super) fn name(label: i64) -> Cow<'static, str> {
    let known = NAMES.iter().find(|(number, _)| *number == label);
    known.map_or_else(|| Cow::Owned(label.to_string()), |(_, name)| Cow::Borrowed(*name))
}

/// True if a token with this unsupported claim must be refused.
///
/// RFC 8392 §3: unknown claims are ignored. So are claims that restrict nothing (`scope`, `catpor`, `catif`,
/// `catifdata`, `catr`). Known but unsupported restrictions are refused: ignoring them would allow more than the token
/// does.
pub(super) fn is_critical(label: i64) -> bool {
    matches!(label, CONFIRMATION | GEOHASH | REPLAY | VERSION..=324) && !matches!(label, 320 | 322 | 323)
}

/// The claims of a token, in CBOR and as JSON under their names.
pub(super) struct ClaimSet {
    pub(super) pairs: Vec<(Value, Value)>,
    pub(super) members: Map<String, Json>,
}

impl ClaimSet {
    /// Parses the claims. Refuses a registered name in place of its number, as readers treat it differently.
    pub(super) fn read(payload: &[u8]) -> Result<Self, TokenError> {
        let pairs = cbor::into_pairs(cbor::decode(payload)?).ok_or(TokenError::Malformed)?;
        let members = cbor::object(&pairs, claim_name)?;
        Ok(Self { pairs, members })
    }
}

fn claim_name(label: &Value) -> Result<String, TokenError> {
    match label {
        Value::Text(text) if NAMES.iter().any(|(_, name)| name == text) => Err(TokenError::Malformed),
        Value::Integer(_) => cbor::integer(label).map(|label| name(label).into_owned()).ok_or(TokenError::Malformed),
        label => cbor::label(label),
    }
}
