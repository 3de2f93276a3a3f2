//! Applications: their routes, and how they recognise viewers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::grammar::Written;
use crate::identity::jwt::Algorithm;
use crate::identity::{Source, StreamSource, ValueSource};

use super::material::Material;

/// One app or site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Application {
    /// For people: shown in refusals. Left out: the id.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::config) name: Option<String>,
    /// Which requests belong to it, and where they go.
    #[schemars(length(min = 1))]
    pub(in crate::config) routes: Vec<Route>,
    /// How viewers are recognised. Left out: not at all, with `unidentified: pass`.
    pub(in crate::config) identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    #[serde(default)]
    pub(in crate::config) unidentified: Unidentified,
    /// The policies that it carries, all of which must hold.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(in crate::config) policies: Vec<String>,
}

/// One rule of routing. A route with a host comes before those without; then the longest path wins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// The path itself and everything below it. `/live` holds `/live` and `/live/a`, not `/liver`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// The name of an origin.
    pub(in crate::config) origin: String,
    /// Only requests with this `Host`, whatever the port and the case. Left out: any.
    #[schemars(length(min = 1, max = 255))]
    pub(in crate::config) host: Option<String>,
}

/// How viewers are recognised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// The token that proves an account.
    pub(in crate::config) token: Token,
    /// Identity provider of the account: a literal, or `claim:NAME`, where NAME may be a path with dots.
    pub(in crate::config) idp: Written<ValueSource>,
    /// The account within it: `claim:NAME`, or a literal.
    pub(in crate::config) subject: Written<ValueSource>,
    /// The viewer's device: `claim:NAME`. Left out: a weak hint from network and user agent.
    pub(in crate::config) device: Option<Written<ValueSource>>,
    /// Where a stream's id comes from: `minted`, or `claim:NAME` of a token that reaches every request of the play.
    #[serde(default = "minted")]
    pub(in crate::config) stream: Written<StreamSource>,
}

fn minted() -> Written<StreamSource> {
    Written::preset("minted", StreamSource::Minted)
}

/// Where the token is and what it looks like.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Token {
    /// Places, in order: the first that has one decides.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub(in crate::config) places: Vec<Written<Source>>,
    /// It is a JSON Web Token.
    pub(in crate::config) jwt: Jwt,
}

/// JSON Web Tokens (RFC 7519).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwt {
    /// The keys that verify it. A key serves its one algorithm only.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`public_key` is what the configuration says")]
pub(in crate::config) struct Key {
    /// The signature algorithm.
    pub(in crate::config) alg: Written<Algorithm>,
    /// The key's id, as tokens name it. Left out: that of the JWK, or none.
    #[schemars(length(min = 1))]
    pub(in crate::config) kid: Option<String>,
    /// With HS256, HS384 and HS512: the secret, raw bytes.
    pub(in crate::config) secret: Option<Material>,
    /// With every other algorithm: the public key, as PEM or as one JWK.
    pub(in crate::config) public_key: Option<Material>,
}

/// What happens to media requests of nobody.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unidentified {
    /// 401.
    #[default]
    Refuse,
    /// They pass and are not counted.
    Pass,
}
