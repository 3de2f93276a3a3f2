//! The fields that a rule can use, by name.

use std::fmt;
use std::sync::Arc;

use super::stream_view::{ApplicationBinding, Content, EvalContext, StreamView};

/// A field of a stream: built in, or an attribute set by the application.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `application`: the id of the application that started the stream.
    Application,
    /// `tenant`: the tenant that owns that application.
    Tenant,
    /// `idp`: the account's identity provider.
    Idp,
    /// `asset`: the asset.
    Asset,
    /// `deviceId`: the device, if identified.
    DeviceId,
    /// `contentType`: `live` or `vod`. From the token; otherwise from the manifest, shortly after the start.
    ContentType,
    /// Any other attribute.
    Attribute(Arc<str>),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text, compared byte by byte.
    Text,
    /// True or false.
    Bool,
    /// A whole number, 64 bits with a sign.
    Int,
    /// A number with a fraction.
    Double,
    /// A point in time.
    Timestamp,
}

impl Type {
    /// True if `text` can be parsed as this type.
    pub fn reads(self, text: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Bool => read_bool(text).is_some(),
            Self::Int => read_int(text).is_some(),
            Self::Double => text.parse::<f64>().is_ok(),
            Self::Timestamp => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        }
    }
}

/// Parses `true` and `false` in any case, and 1 and 0, which some applications send.
pub(super) fn read_bool(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Parses a whole number in decimal digits, with or without a sign.
pub(super) fn read_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The standard attributes of the concurrency-monitoring documentation that are not text. `zipcode` is documented as a
/// number, but is text here, because zip codes can begin with zeros.
const TYPED: [(&str, Type); 3] = [("hba", Type::Bool), ("mobileDevice", Type::Bool), ("duration", Type::Int)];

/// The standard attributes that are text (same documentation, "Standard metadata attributes"), and those mentioned
/// elsewhere in it.
const STANDARD: [&str; 34] = [
    "accountId",
    "applicationId",
    "applicationName",
    "applicationPlatform",
    "applicationVersion",
    "assetId",
    "browserName",
    "browserVersion",
    "channel",
    "city",
    "continent",
    "contractType",
    "country",
    "deviceModel",
    "deviceName",
    "deviceType",
    "genre",
    "hba_status",
    "initiator",
    "marketingName",
    "mvpd",
    "name",
    "osName",
    "osType",
    "package",
    "platform",
    "programmerName",
    "state",
    "streamCDN",
    "type",
    "zipcode",
    "contentType",
    "deviceId",
    "idp",
];

/// Result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The value; never empty.
    Known(&'a str),
    /// Not known yet: it comes from the stream's manifest.
    Pending,
    /// Not set.
    Missing,
}

/// What happens if a stream lacks an attribute that the rule uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Text counts as `Unknown`. A target that uses it in another way does not match.
    #[default]
    Unknown,
    /// The attribute counts as this value.
    TreatAs(Arc<str>),
    /// The rule does not apply to the stream.
    IgnoreRule,
    /// The stream is not admitted without it. A running stream is not counted.
    Refuse,
}

impl Field {
    /// The field with that name. Every name is valid.
    pub fn named(name: &str) -> Self {
        match name {
            "application" => Self::Application,
            "tenant" => Self::Tenant,
            "idp" => Self::Idp,
            "asset" => Self::Asset,
            "deviceId" => Self::DeviceId,
            "contentType" => Self::ContentType,
            other => Self::Attribute(other.into()),
        }
    }

    /// The name in configuration, messages and listings.
    pub fn name(&self) -> &str {
        match self {
            Self::Application => "application",
            Self::Tenant => "tenant",
            Self::Idp => "idp",
            Self::Asset => "asset",
            Self::DeviceId => "deviceId",
            Self::ContentType => "contentType",
            Self::Attribute(name) => name,
        }
    }

    /// The type of its values.
    pub fn kind(&self) -> Type {
        let typed = TYPED.iter().find(|(name, _)| *name == self.name());
        typed.map_or(Type::Text, |(_, kind)| *kind)
    }

    /// True if the gateway itself knows it for every stream.
    pub fn is_built_in(&self) -> bool {
        matches!(self, Self::Application | Self::Tenant | Self::Idp | Self::Asset)
    }

    /// The names with a meaning of their own: built-in and standard.
    pub fn well_known() -> impl Iterator<Item = &'static str> {
        let own = ["application", "tenant", "asset"];
        own.into_iter().chain(TYPED.iter().map(|(name, _)| *name)).chain(STANDARD)
    }

    /// Its value for a stream. `carrier` is the binding of the stream's application.
    pub fn resolve<'a>(
        &self,
        standing: &'a StreamView<'_>,
        carrier: &'a ApplicationBinding,
        scene: &'a EvalContext<'_>,
    ) -> Found<'a> {
        let known = |value: Option<&'a str>| value.map_or(Found::Missing, Found::Known);
        match self {
            Self::Application => Found::Known(standing.application.as_str()),
            Self::Tenant => Found::Known(&carrier.tenant),
            Self::Idp => Found::Known(scene.idp),
            Self::Asset => Found::Known(standing.asset),
            Self::DeviceId => known(standing.device.or_else(|| standing.attributes.get("deviceId"))),
            Self::ContentType => match (standing.attributes.get("contentType"), standing.content) {
                (Some(value), _) => Found::Known(value),
                (None, content) => content.found(),
            },
            Self::Attribute(name) => match standing.attributes.get(name) {
                Some(value) => Found::Known(value),
                None if carrier.from_manifest.iter().any(|known| **known == **name) => standing.content.found(),
                None => Found::Missing,
            },
        }
    }
}

impl Content {
    fn found(self) -> Found<'static> {
        match self {
            Self::Live => Found::Known("live"),
            Self::Vod => Found::Known("vod"),
            Self::Pending => Found::Pending,
            Self::Unknown => Found::Missing,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
