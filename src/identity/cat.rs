//! Common Access Tokens: CTA-5007, a CWT (RFC 8392) in COSE (RFC 9052), in base64.
//!
//! `COSE_Mac0` with HS256, HS384 or HS512 and `COSE_Sign1` with ES256, PS256 or `EdDSA`; the truncated HMAC 256/64 is
//! not accepted. The claims become members under their registered names, such as `claim:sub`. Numbers without a name
//! use their decimal text; byte strings (`cti`) become lower-case hex.
//!
//! `catu`, `catm`, `cath`, `catalpn`, `catnip` and `catgeoiso3166` are checked at every request. `catif` and
//! `catifdata` are parsed but have no effect: they would redirect a refused viewer. `catpor` is ignored. Regular
//! expressions match anywhere; `^` and `$` anchor them. A token with any other restriction of CTA-5007 is refused,
//! unless the configuration ignores it. Unknown numbers are ignored (RFC 8392 §3).

mod cbor;
mod cose;
mod demands;
mod labels;
mod renewal;

use std::time::Duration;

use ciborium::Value;
use http::header::HeaderName;

use crate::model::Millis;

use super::algorithm::Algorithm;
use super::claims::{Claims, Times};
use super::error::{KeyError, TokenError};
use super::format::{Format, MAX_TOKEN};
use super::issuer::Issuers;
use super::key::Key;
use super::renewal::Renewed;
use super::request::RequestFacts;

use cose::Envelope;
use demands::Reading;
use labels::ClaimSet;
use renewal::Plan;

pub use demands::Replay;

/// How Common Access Tokens are verified.
#[derive(Debug)]
pub struct Settings {
    /// Their issuers.
    pub issuers: Issuers,
    /// Leeway of `exp` and `nbf`, at most 60 s.
    pub leeway: Duration,
    /// Restrictions to ignore, by name (`catnip`, `catgeocoord`) or, if it has none, by number (`400`).
    pub ignore: Vec<Box<str>>,
    /// The header that an edge in front sets to the viewer's country (ISO 3166), replacing the viewer's. Without one,
    /// tokens with `catgeoiso3166` are refused.
    pub country_header: Option<HeaderName>,
    /// Renew tokens with `catr` that have a shared secret.
    pub renew: bool,
    /// How `catreplay` 1 is handled.
    pub replay: Replay,
}

/// Verifies Common Access Tokens with the keys of their issuers, each of which serves exactly one algorithm.
#[derive(Debug)]
pub struct Cat {
    issuers: Issuers,
    leeway: Duration,
    renew: bool,
    reading: Reading,
}

impl Cat {
    /// Creates a verifier.
    pub fn new(settings: Settings) -> Self {
        let Settings { issuers, leeway, ignore, country_header, renew, replay } = settings;
        Self { issuers, leeway, renew, reading: Reading { ignore, country_header, replay } }
    }

    /// Checks only form, issuer, algorithm and signature or MAC, and returns the payload (RFC 9052 §4.4 and §6.3).
    ///
    /// # Errors
    /// The first check that fails.
    pub fn payload(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        let envelope = Envelope::read(&cose::bytes(token)?)?;
        if let Some(only) = self.issuers.only() {
            envelope.check(only)?;
        } else {
            let claims = ClaimSet::read(&envelope.payload)?;
            envelope.check(self.issuers.keys_of(&claims.members)?)?;
        }
        Ok(envelope.payload)
    }
}

impl Format for Cat {
    /// `exp` is required and exclusive, plus leeway; `nbf` is checked (RFC 8392 §3.1).
    fn verify(&self, token: &[u8], _request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let ClaimSet { pairs, members } = ClaimSet::read(&self.payload(token)?)?;
        let expires = Times::parse(&members)?.check(self.leeway, now)?;
        self.issuers.check(&members)?;
        let demands = self.reading.demands(&pairs)?;
        let renewable = self.renew && members.contains_key("catr");
        let claims = Claims::new(members, expires).under(demands);
        Ok(if renewable { claims.with_token(token) } else { claims })
    }

    fn keys_version(&self) -> u64 {
        self.issuers.keys_version()
    }

    fn resembles(&self, segment: &str) -> bool {
        // The tags 61 and 17 or 18, or one of the latter alone, with an array of four behind them.
        ["2D3RhE", "2D3ShE", "0YR", "0oR"].iter().any(|opening| segment.starts_with(opening))
    }

    fn renews(&self) -> bool {
        self.renew
    }

    /// The successor has the same claims but for `exp` and `iat`, and the same headers.
    fn renew(&self, claims: &Claims, request: &RequestFacts<'_>, now: Millis) -> Option<Renewed> {
        let token = claims.token()?;
        let exp = Times::parse(claims.members()).ok()?.expires?.seconds();
        let plan = Plan::parse(claims.members().get("catr")?.as_object()?, exp, request, now.seconds())?;
        let envelope = Envelope::read(&cose::bytes(token).ok()?).ok()?;
        let ClaimSet { mut pairs, members } = ClaimSet::read(&envelope.payload).ok()?;
        for (label, time) in [(labels::EXP, plan.expires), (labels::IAT, now.seconds())] {
            pairs.retain(|(name, _)| cbor::integer(name) != Some(label));
            pairs.push((label.into(), time.into()));
        }
        let payload = cbor::encode(&Value::Map(pairs))?;
        let renewed = cose::text(&envelope.with_payload(self.issuers.keys_of(&members).ok()?, payload)?);
        if renewed.len() > MAX_TOKEN { None } else { plan.carry(&renewed) }
    }
}

/// Signs a test token: HS256, HS384 or HS512.
///
/// # Errors
/// As [`Key::hmac`].
pub fn sign_hs(
    algorithm: Algorithm,
    kid: Option<&str>,
    secret: &[u8],
    claims: &[(i64, Value)],
) -> Result<String, KeyError> {
    let key = Key::hmac(algorithm, kid, secret)?;
    let pairs = claims.iter().map(|(label, value)| (Value::from(*label), value.clone())).collect();
    let token = cbor::encode(&Value::Map(pairs)).and_then(|payload| cose::seal(&key, payload));
    token.map(|token| cose::text(&token)).ok_or(KeyError::NeedsPublicKey(algorithm))
}

#[cfg(test)]
mod tests;
