//! Locations of secrets.

use schemars::JsonSchema;
use serde::Deserialize;

/// Location of a secret or key: exactly one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(in crate::config) struct Material {
    /// A file, relative to the folder of the configuration. One trailing line end is ignored.
    #[schemars(length(min = 1))]
    pub(in crate::config) file: Option<String>,
    /// An environment variable.
    #[schemars(length(min = 1))]
    pub(in crate::config) env: Option<String>,
}
