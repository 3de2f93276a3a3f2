//! The signed envelope: COSE (RFC 9052) within a CWT (RFC 8392), in base64.
//!
//! Headers are parsed here and not by the library, which recurses into nested countersignatures without limit before
//! verification.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ciborium::Value;
use coset::iana::{self, EnumI64};
use coset::{MacContext, ProtectedHeader, SignatureContext, mac_structure_data, sig_structure_data};

use crate::identity::algorithm::Algorithm;
use crate::identity::error::TokenError;
use crate::identity::format::MAX_TOKEN;
use crate::identity::key::Key;
use crate::identity::keys::Keys;
use crate::identity::percent::percent_decoded;

use super::cbor;

/// RFC 8392 §6.
const CWT_TAG: u64 = 61;
/// RFC 9052 §2.
const MAC0_TAG: u64 = 17;
const SIGN1_TAG: u64 = 18;
/// Header parameters (RFC 9052 §3.1).
const ALG: i64 = 1;
const CRIT: i64 = 2;
const KID: i64 = 4;

/// Padding is optional; unused bits are zero.
const LAX_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mac0,
    Sign1,
}

/// A parsed, unverified token.
pub(super) struct Envelope {
    kind: Kind,
    cwt: bool,
    /// The protected header, as signed.
    protected: Vec<u8>,
    unprotected: Value,
    pub(super) payload: Vec<u8>,
    /// The signature or the MAC.
    proof: Vec<u8>,
    algorithm: Option<Algorithm>,
    kid: Option<String>,
}

/// Decodes a token as received.
///
/// # Errors
/// `TooLong`, `Malformed`.
pub(super) fn bytes(token: &[u8]) -> Result<Vec<u8>, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let token = percent_decoded(token);
    let standard = token.iter().any(|byte| matches!(byte, b'+' | b'/'));
    let engine = GeneralPurpose::new(if standard { &STANDARD } else { &URL_SAFE }, LAX_PADDING);
    engine.decode(&*token).map_err(|_| TokenError::Malformed)
}

/// The text of a token.
pub(super) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Envelope {
    /// Parses the bytes of a token.
    ///
    /// # Errors
    /// `Malformed`, or `Critical` if a header requires an extension.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TokenError> {
        let (cwt, tagged) = match cbor::decode(bytes)? {
            Value::Tag(CWT_TAG, inner) => (true, *inner),
            other => (false, other),
        };
        let (class, message) = match tagged {
            Value::Tag(MAC0_TAG, inner) => (Kind::Mac0, *inner),
            Value::Tag(SIGN1_TAG, inner) => (Kind::Sign1, *inner),
            _ => return Err(TokenError::Malformed),
        };
        let parts = message.into_array().ok().and_then(|parts| <[Value; 4]>::try_from(parts).ok());
        let Some([Value::Bytes(protected), unprotected, Value::Bytes(payload), Value::Bytes(proof)]) = parts else {
            return Err(TokenError::Malformed);
        };
        // Empty bytes are an empty map.
        let inner = if protected.is_empty() { Value::Map(Vec::new()) } else { cbor::decode(&protected)? };
        let (inner, outer) = cbor::pairs(&inner).zip(cbor::pairs(&unprotected)).ok_or(TokenError::Malformed)?;
        for header in [inner, outer] {
            cbor::object(header, cbor::label)?;
            if cbor::get(header, CRIT).is_some() {
                return Err(TokenError::Critical);
            }
        }
        let algorithm = cbor::get(inner, ALG).and_then(cbor::integer).and_then(|number| algorithm(class, number));
        let kid = match cbor::get(inner, KID).or_else(|| cbor::get(outer, KID)) {
            None => None,
            Some(Value::Bytes(kid)) => Some(String::from_utf8_lossy(kid).into_owned()),
            // Violates RFC 9052 §3.1, but exists in practice.
            Some(Value::Text(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Malformed),
        };
        Ok(Self { kind: class, cwt, protected, unprotected, payload, proof, algorithm, kid })
    }

    /// Verifies the token with `keys`.
    ///
    /// # Errors
    /// As [`Keys::check`]; an algorithm that does not fit the token's tag is refused.
    pub(super) fn check(&self, keys: &Keys) -> Result<(), TokenError> {
        let signed = signed(self.kind, &self.protected, &self.payload);
        keys.check(self.algorithm, self.kid.as_deref(), &signed, &self.proof)
    }

    /// The same token with another payload, signed with a shared secret of `keys` for its algorithm, if there is one.
    pub(super) fn with_payload(&self, keys: &Keys, payload: Vec<u8>) -> Option<Vec<u8>> {
        let key = keys.signing(self.kid.as_deref()).filter(|key| Some(key.algorithm()) == self.algorithm)?;
        sealed(&key, self.cwt, self.protected.clone(), self.unprotected.clone(), payload)
    }
}

/// Signs a new token; `None` if the key is not a shared secret.
pub(super) fn seal(key: &Key, payload: Vec<u8>) -> Option<Vec<u8>> {
    let number = match key.algorithm() {
        Algorithm::HS256 => iana::Algorithm::HMAC_256_256,
        Algorithm::HS384 => iana::Algorithm::HMAC_384_384,
        Algorithm::HS512 => iana::Algorithm::HMAC_512_512,
        _ => return None,
    };
    let mut header = vec![(Value::from(ALG), Value::from(number.to_i64()))];
    header.extend(key.kid().map(|kid| (Value::from(KID), Value::from(kid.as_bytes()))));
    let protected = cbor::encode(&Value::Map(header))?;
    sealed(key, true, protected, Value::Map(Vec::new()), payload)
}

fn sealed(key: &Key, cwt: bool, protected: Vec<u8>, unprotected: Value, payload: Vec<u8>) -> Option<Vec<u8>> {
    let mac = key.mac(&signed(Kind::Mac0, &protected, &payload))?;
    let parts = vec![protected.into(), unprotected, payload.into(), mac.as_ref().into()];
    let message = Value::Tag(MAC0_TAG, Value::Array(parts).into());
    cbor::encode(&if cwt { Value::Tag(CWT_TAG, message.into()) } else { message })
}

/// The `MAC_structure` (RFC 9052 §6.3) or `Sig_structure` (§4.4).
fn signed(kind: Kind, protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let protected = ProtectedHeader { original_data: Some(protected.to_vec()), ..ProtectedHeader::default() };
    match kind {
        Kind::Mac0 => mac_structure_data(MacContext::CoseMac0, protected, &[], payload),
        Kind::Sign1 => sig_structure_data(SignatureContext::CoseSign1, protected, None, &[], payload),
    }
}

/// The algorithm of that number (RFC 9053 §2 and §3, RFC 8230 §2), if it fits the kind of envelope.
fn algorithm(kind: Kind, number: i64) -> Option<Algorithm> {
    Some(match (kind, iana::Algorithm::from_i64(number)?) {
        (Kind::Mac0, iana::Algorithm::HMAC_256_256) => Algorithm::HS256,
        (Kind::Mac0, iana::Algorithm::HMAC_384_384) => Algorithm::HS384,
        (Kind::Mac0, iana::Algorithm::HMAC_512_512) => Algorithm::HS512,
        (Kind::Sign1, iana::Algorithm::ES256) => Algorithm::ES256,
        (Kind::Sign1, iana::Algorithm::PS256) => Algorithm::PS256,
        (Kind::Sign1, iana::Algorithm::EdDSA) => Algorithm::EdDSA,
        _ => return None,
    })
}
