//! CBOR (RFC 8949) within limits, and its conversion to JSON.

use std::fmt::Write;

use ciborium::Value;
use ciborium::de::from_reader_with_recursion_limit;
use serde_json::{Map, Number, Value as Json};

use crate::identity::error::TokenError;

/// Maximum nesting of arrays, maps and tags.
const MAX_NESTING: usize = 16;
/// The tag in which some encoders wrap maps.
const MAP_TAG: u64 = 259;

/// Decodes `bytes`, which must be exactly one item.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Value, TokenError> {
    let value = from_reader_with_recursion_limit(&mut bytes, MAX_NESTING).map_err(|_| TokenError::Malformed)?;
    if bytes.is_empty() { Ok(value) } else { Err(TokenError::Malformed) }
}

/// Encodes an item; `None` if that is impossible.
pub(super) fn encode(value: &Value) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).ok()?;
    Some(bytes)
}

/// The pairs of a map.
pub(super) fn pairs(value: &Value) -> Option<&[(Value, Value)]> {
    match value {
        Value::Map(pairs) => Some(pairs),
        Value::Tag(MAP_TAG, map) => map.as_map().map(Vec::as_slice),
        _ => None,
    }
}

/// The pairs of a map, by value.
pub(super) fn into_pairs(value: Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs),
        Value::Tag(MAP_TAG, map) => map.into_map().ok(),
        _ => None,
    }
}

/// The number, if it is an integer of 64 bits.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_integer().and_then(|number| number.try_into().ok())
}

/// The value under an integer label.
pub(super) fn get(pairs: &[(Value, Value)], label: i64) -> Option<&Value> {
    pairs.iter().find(|(name, _)| integer(name) == Some(label)).map(|(_, value)| value)
}

/// Converts a map to a JSON object, with `name` for its labels. Refuses duplicate labels (also a number and its text),
/// as readers may disagree on the value.
pub(super) fn object(
    pairs: &[(Value, Value)],
    name: fn(&Value) -> Result<String, TokenError>,
) -> Result<Map<String, Json>, TokenError> {
    let mut members = Map::new();
    for (label, value) in pairs {
        if members.insert(name(label)?, json(value)?).is_some() {
            return Err(TokenError::Malformed);
        }
    }
    Ok(members)
}

/// A label as text; a number in decimal.
pub(super) fn label(label: &Value) -> Result<String, TokenError> {
    match label {
        Value::Text(text) => Ok(text.clone()),
        label => integer(label).map(|number| number.to_string()).ok_or(TokenError::Malformed),
    }
}

/// Byte strings become lower-case hex, tags their content.
fn json(value: &Value) -> Result<Json, TokenError> {
    if let Some(pairs) = pairs(value) {
        return object(pairs, label).map(Json::Object);
    }
    match value {
        Value::Integer(number) => number_of(i128::from(*number)).map(Json::Number),
        Value::Float(number) => Number::from_f64(*number).map(Json::Number).ok_or(TokenError::Malformed),
        Value::Bytes(bytes) => Ok(Json::String(hex(bytes))),
        Value::Text(text) => Ok(Json::String(text.clone())),
        Value::Bool(flag) => Ok(Json::Bool(*flag)),
        Value::Null => Ok(Json::Null),
        Value::Tag(_, value) => json(value),
        Value::Array(items) => items.iter().map(json).collect::<Result<_, _>>().map(Json::Array),
        _ => Err(TokenError::Malformed),
    }
}

fn number_of(number: i128) -> Result<Number, TokenError> {
    let small = i64::try_from(number).map(Number::from);
    small.or_else(|_| u64::try_from(number).map(Number::from)).map_err(|_| TokenError::Malformed)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text
}
