//! Where secrets are read from.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where a secret or a key is read from: one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(in crate::config) struct Material {
    /// A file, sought from the folder of the configuration. One line end at its end is no part of it.
    #[schemars(length(min = 1))]
    pub(in crate::config) file: Option<String>,
    /// An environment variable.
    #[schemars(length(min = 1))]
    pub(in crate::config) env: Option<String>,
}
