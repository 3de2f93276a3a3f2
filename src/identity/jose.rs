//! The JOSE header (RFC 7515 §4); three members are used.

use serde_json::Value;

use super::algorithm::Algorithm;
use super::claim_members::Members;
use super::error::TokenError;

pub(super) struct Header {
    /// `None` for an algorithm that is not accepted, such as `none`.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) kid: Option<String>,
}

impl Header {
    pub(super) fn read(json: &[u8]) -> Result<Self, TokenError> {
        let Members(mut members) = Members::read(json)?;
        if members.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let Some(Value::String(name)) = members.get("alg") else { return Err(TokenError::Malformed) };
        let algorithm = name.parse().ok();
        let kid = match members.remove("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid),
            Some(_) => return Err(TokenError::Malformed),
        };
        Ok(Self { algorithm, kid })
    }
}
