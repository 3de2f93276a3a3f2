//! Names that the operator gives.

use serde_json::{Value, json};

/// Names stand in metric labels, headers and play sessions.
pub(in crate::config) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

/// The schema of the keys of a mapping from names.
pub(super) fn named() -> Value {
    json!({ "pattern": NAME })
}
