//! JSON Web Key Sets (RFC 7517 §5): what an issuer hands out for others to verify its tokens with.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::key::Key;

/// Bytes of the longest set that is read.
pub const MAX_SET: usize = 256 * 1024;
/// Keys of a set that are read at most.
const MAX_KEYS: usize = 100;
/// Characters of a foreign text that a sentence quotes.
const MAX_QUOTED: usize = 64;

/// The keys of a set that verify tokens, and one sentence for the log about each that does not.
#[derive(Debug)]
pub struct KeySet {
    /// At least one.
    pub keys: Vec<Key>,
    /// Why the others are passed over. Foreign text in it is short and escaped.
    pub skipped: Vec<String>,
}

/// Why a key set is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More than [`MAX_SET`] bytes.
    #[error("the key set is longer than 256 KiB")]
    TooLong,
    /// No JSON object with a list `keys`.
    #[error("this is no JSON Web Key Set: an object with a list `keys` was expected")]
    Malformed,
    /// More keys than anybody needs.
    #[error("the key set has {0} keys, and at most 100 are read")]
    TooMany(usize),
    /// Nothing that verifies tokens.
    #[error("no key of the set can verify tokens{}", reasons(.0))]
    NoKey(Vec<String>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Reads a key set. RSA keys without `alg` serve `rsa`; other keys have only one choice. Shared secrets count only where
/// `secrets` says so: in a file of the operator, never at a URL.
///
/// A key that is for encryption, of an unknown kind or curve, private or broken is passed over (RFC 7517 §5). So is one that
/// stood before under another algorithm: a key never serves two.
///
/// # Errors
/// See [`JwksError`]; a set without a usable key is an error, so that it never takes the place of one that has some.
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
                    Some(other) if *other != algorithm => set.skipped.push(format!(
                        "{name} is passed over: it serves {other} already, and a key serves one algorithm"
                    )),
                    _ => {
                        served.insert(material, algorithm);
                        set.keys.push(key);
                    }
                }
            }
            Err(why) => set.skipped.push(format!("{name} is passed over: {why}")),
        }
    }
    if set.keys.is_empty() { Err(JwksError::NoKey(set.skipped)) } else { Ok(set) }
}

/// The key, and what makes two keys the same one (RFC 7638 §3.2).
fn usable(entry: Value, rsa: Algorithm, secrets: bool) -> Result<(Key, String), String> {
    let Value::Object(mut members) = entry else { return Err("it is no JSON object".to_owned()) };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let material = ["kty", "crv", "n", "e", "x", "y", "k"].map(text).join("|");
    let kid = members.get("kid").and_then(Value::as_str).map(str::to_owned);
    if text("use") == "enc" {
        return Err("it is for encryption".to_owned());
    }
    let algorithm = algorithm(&members, rsa)?;
    if text("kty") == "oct" {
        if !secrets {
            return Err("it is a shared secret, which may stand in a file of this machine only".to_owned());
        }
        let secret = URL_SAFE_NO_PAD.decode(text("k")).map_err(|_| "its `k` is no base64url".to_owned())?;
        return Ok((Key::hmac(algorithm, kid.as_deref(), &secret).map_err(|error| error.to_string())?, material));
    }
    // The names of RFC 9864 are news to the library.
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
        Some(_) => return Err("its `alg` is no text".to_owned()),
    };
    let plain = match named {
        "Ed25519" => "EdDSA", // RFC 9864 §2.2
        other => other,
    };
    let fits = plain.parse().ok().filter(|named| choices.contains(named));
    fits.ok_or_else(|| format!("its algorithm {} is none that such a key verifies tokens with", quoted(named)))
}

/// What the key is called in sentences.
fn name(nth: usize, entry: &Value) -> String {
    match entry.get("kid").and_then(Value::as_str) {
        Some(kid) => format!("key {} ({})", nth + 1, quoted(kid)),
        None => format!("key {}", nth + 1),
    }
}

/// Foreign text, short and harmless in a log.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    format!("{short:?}")
}

fn reasons(skipped: &[String]) -> String {
    if skipped.is_empty() { "; it is empty".to_owned() } else { format!(": {}", skipped.join("; ")) }
}

#[cfg(test)]
mod tests;
