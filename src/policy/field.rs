//! What a rule may ask of a stream, by name.

use std::fmt;
use std::sync::Arc;

use super::stream_view::{ApplicationBinding, Content, EvalContext, StreamView};

/// Something that is known of a stream: a word of the gateway's own, or an attribute that the application supplies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `application`: the id of the application that started the stream.
    Application,
    /// `tenant`: who owns that application.
    Tenant,
    /// `idp`: the account's identity provider.
    Idp,
    /// `asset`: what is played.
    Asset,
    /// `deviceId`: the device, where something names it.
    DeviceId,
    /// `contentType`: `live` or `vod`. What the token says counts; else the manifest tells, a moment after the start.
    ContentType,
    /// Any other attribute.
    Attribute(Arc<str>),
}

/// What a value is, wherever one is compared.
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
    /// Whether `text` can be read as a value of this type.
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

/// `true` and `false` in any case, and the digits that some applications send instead.
pub(super) fn read_bool(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number in decimal digits, with or without a sign.
pub(super) fn read_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The standard attributes of the concurrency-monitoring documentation that are not text. `zipcode` is published as a number;
/// it is text here, because zip codes begin with zeros.
const TYPED: [(&str, Type); 3] = [("hba", Type::Bool), ("mobileDevice", Type::Bool), ("duration", Type::Int)];

/// The standard attributes that are text (same documentation, "Standard metadata attributes"), and those named elsewhere in it.
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

/// What a look at a field finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The value; never empty.
    Known(&'a str),
    /// Not yet: the stream's manifest will tell.
    Pending,
    /// Nobody supplied it.
    Missing,
}

/// What happens where the rule needs an attribute that a stream does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Text counts as `Unknown`. A target that asks for anything else of it does not speak of the stream.
    #[default]
    Unknown,
    /// The attribute counts as this.
    TreatAs(Arc<str>),
    /// The rule does not speak of the stream.
    IgnoreRule,
    /// The stream may not start without it. One that plays is not counted.
    Refuse,
}

impl Field {
    /// The field of that name. Any name is one.
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

    /// What its values are.
    pub fn kind(&self) -> Type {
        let typed = TYPED.iter().find(|(name, _)| *name == self.name());
        typed.map_or(Type::Text, |(_, kind)| *kind)
    }

    /// Whether the gateway itself knows it of every stream.
    pub fn is_built_in(&self) -> bool {
        matches!(self, Self::Application | Self::Tenant | Self::Idp | Self::Asset)
    }

    /// The names that mean something without any application supplying them: our own and the standard ones.
    pub fn well_known() -> impl Iterator<Item = &'static str> {
        let own = ["application", "tenant", "asset"];
        own.into_iter().chain(TYPED.iter().map(|(name, _)| *name)).chain(STANDARD)
    }

    /// Its value, as the stream stands. `carrier` is the stream's application.
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
