//! Names in the configuration.

use serde_json::{Value, json};

/// Restricted, as names are used in metric labels, headers and play sessions.
pub(in crate::config) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

/// Schema for the keys of a mapping from names.
pub(super) fn named() -> Value {
    json!({ "pattern": NAME })
}
