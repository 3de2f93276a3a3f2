//! JSON Web Key Sets (RFC 7517 §5).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::key::Key;

/// Maximum bytes of a set.
pub const MAX_SET: usize = 256 * 1024;
/// Maximum keys of a set.
const MAX_KEYS: usize = 100;
/// Maximum characters of foreign text in a message.
const MAX_QUOTED: usize = 64;

/// The keys of a set that verify tokens, and a log message for each that does not.
#[derive(Debug)]
pub struct KeySet {
    /// At least one.
    pub keys: Vec<Key>,
    /// Why the others are skipped. Foreign text is shortened and escaped.
    pub skipped: Vec<String>,
}

/// Why a key set is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More than [`MAX_SET`] bytes.
    #[error("the key set is longer than 256 KiB")]
    TooLong,
    /// Not a JSON object with a list `keys`.
    #[error("this is not a JSON Web Key Set: write an object with a list `keys`")]
    Malformed,
    /// Too many keys.
    #[error("the key set has {0} keys, and at most 100 are read")]
    TooMany(usize),
    /// No key verifies tokens.
    #[error("no key of the set can verify tokens{}", reasons(.0))]
    NoKey(Vec<String>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Parses a key set. RSA keys without `alg` serve `rsa`; other keys have only one choice. Shared secrets are accepted
/// only with `secrets`: from a local file, never from a URL.
///
/// Skips keys that are for encryption, of an unknown kind or curve, private or invalid (RFC 7517 §5), and duplicates
/// under another algorithm: a key never serves two.
///
/// # Errors
/// See [`JwksError`]. A set without a usable key is an error, so that it never replaces a usable one.
pub fn parse(json: &[u8], rsa: Algorithm, secrets: bool) -> Result<KeySet, JwksError> {
    if json.len() > MAX_SET {
        return Err(JwksError::TooLong);
    }
    let Document { keys: entries } = serde_json::from_slice(json).map_err(|_| JwksError::Malformed)?;
    if entries.len() > MAX_KEYS {
        return Err(JwksError::TooMany(entries.len()));
    }
    let mut set = KeySet { keys: Vec::new(), skipped: Vec::new() };
    let mut served: HashMap<String, Algorithm> = HashMap::new();
    for (nth, entry) in entries.into_iter().enumerate() {
        let name = name(nth, &entry);
        match usable(entry, rsa, secrets) {
            Ok((key, material)) => {
                let algorithm = key.algorithm();
                match served.get(&material) {
                    Some(other) if *other != algorithm => set
                        .skipped
                        .push(format!("{name} is skipped: it already serves {other}, and a key serves one algorithm")),
                    _ => {
                        served.insert(material, algorithm);
                        set.keys.push(key);
                    }
                }
            }
            Err(why) => set.skipped.push(format!("{name} is skipped: {why}")),
        }
    }
    if set.keys.is_empty() { Err(JwksError::NoKey(set.skipped)) } else { Ok(set) }
}

/// The key, and its thumbprint input (RFC 7638 §3.2).
fn usable(entry: Value, rsa: Algorithm, secrets: bool) -> Result<(Key, String), String> {
    let Value::Object(mut members) = entry else { return Err("it is not a JSON object".to_owned()) };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let material = ["kty", "crv", "n", "e", "x", "y", "k"].map(text).join("|");
    let kid = members.get("kid").and_then(Value::as_str).map(str::to_owned);
    if text("use") == "enc" {
        return Err("it is for encryption".to_owned());
    }
    let algorithm = algorithm(&members, rsa)?;
    if text("kty") == "oct" {
        if !secrets {
            return Err("it is a shared secret, which is only allowed in a local file".to_owned());
        }
        let secret = URL_SAFE_NO_PAD.decode(text("k")).map_err(|_| "its `k` is not base64url".to_owned())?;
        return Ok((Key::hmac(algorithm, kid.as_deref(), &secret).map_err(|error| error.to_string())?, material));
    }
    // The library does not support the names of RFC 9864.
    members.insert("alg".to_owned(), algorithm.name().into());
    let json = Value::Object(members).to_string();
    let key = Key::public_jwk(algorithm, kid.as_deref(), json.as_bytes()).map_err(|error| error.to_string())?;
    Ok((key, material))
}

/// The one algorithm that the key serves.
fn algorithm(members: &Map<String, Value>, rsa: Algorithm) -> Result<Algorithm, String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let choices: &[Algorithm] = match (text("kty"), text("crv")) {
        ("RSA", _) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        ("EC", "P-256") => &[Algorithm::ES256],
        ("EC", "P-384") => &[Algorithm::ES384],
        ("OKP", "Ed25519") => &[Algorithm::EdDSA],
        ("oct", _) => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        ("EC" | "OKP", curve) => return Err(format!("its curve {} is not supported", quoted(curve))),
        (kind, _) => return Err(format!("its kind {} is not supported", quoted(kind))),
    };
    let named = match members.get("alg") {
        None => match choices {
            [only] => return Ok(*only),
            _ if text("kty") == "oct" => return Err("it is a shared secret without `alg`".to_owned()),
            _ => return Ok(rsa),
        },
        Some(Value::String(name)) => name.as_str(),
        Some(_) => return Err("its `alg` is not text".to_owned()),
    };
    let plain = match named {
        "Ed25519" => "EdDSA", // RFC 9864 §2.2
        other => other,
    };
    let fits = plain.parse().ok().filter(|named| choices.contains(named));
    fits.ok_or_else(|| format!("its algorithm {} does not fit such a key", quoted(named)))
}

/// Name of the key in messages.
fn name(nth: usize, entry: &Value) -> String {
    match entry.get("kid").and_then(Value::as_str) {
        Some(kid) => format!("key {} ({})", nth + 1, quoted(kid)),
        None => format!("key {}", nth + 1),
    }
}

/// Foreign text, shortened and escaped for the log.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    format!("{short:?}")
}

fn reasons(skipped: &[String]) -> String {
    if skipped.is_empty() { "; it is empty".to_owned() } else { format!(": {}", skipped.join("; ")) }
}

#[cfg(test)]
mod tests;
