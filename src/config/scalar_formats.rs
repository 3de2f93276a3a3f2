//! Scalars with their own grammar: durations, sizes, addresses, servers, token locations, sources of values.
//!
//! Each grammar is defined once: the schema names it as a `format`, the check reports what is wrong, and
//! [`Written`] parses it into its type.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::identity::jwt::Algorithm;
use crate::identity::{Forwarding, Source, ValueSource, ValueSourceError};

use super::rule_keywords::{CountWord, ExceededWord, MissingWord};
use super::server::Server;

/// A number of bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bytes(pub(super) u64);

/// A type with a text form.
pub(super) trait Grammar: Sized + 'static {
    /// The schema's `format`.
    const NAME: &'static str;
    /// What to write, with an example.
    const WANTED: &'static str;

    /// Parses the text. The error is the end of a sentence that starts with the text.
    fn parse(text: &str) -> Result<Self, String>;

    /// Schema for editors.
    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": Self::NAME })
    }
}

/// One grammar, for the check.
pub(super) struct Format {
    pub(super) name: &'static str,
    pub(super) wanted: &'static str,
    /// What is wrong with a text, if anything.
    pub(super) fault: fn(&str) -> Option<String>,
}

impl Format {
    const fn for_type<T: Grammar>() -> Self {
        Self { name: T::NAME, wanted: T::WANTED, fault: |text| T::parse(text).err() }
    }
}

/// Every grammar in the schema.
pub(super) const FORMATS: [Format; 13] = [
    Format::for_type::<Duration>(),
    Format::for_type::<Bytes>(),
    Format::for_type::<SocketAddr>(),
    Format::for_type::<Server>(),
    Format::for_type::<Source>(),
    Format::for_type::<ValueSource>(),
    Format::for_type::<StreamWord>(),
    Format::for_type::<HeaderField>(),
    Format::for_type::<IpNet>(),
    Format::for_type::<Forwarding>(),
    Format::for_type::<CountWord>(),
    Format::for_type::<ExceededWord>(),
    Format::for_type::<MissingWord>(),
];

/// A value with its original text.
#[derive(Clone, Debug)]
pub(super) struct Written<T> {
    text: String,
    pub(super) value: T,
}

impl<T> Written<T> {
    /// A default: `text` must parse to `value`.
    pub(super) fn preset(text: impl Into<String>, value: T) -> Self {
        Self { text: text.into(), value }
    }

    /// The original text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<Duration> for Written<Duration> {
    /// In the largest unit without remainder: `90s`, `2m`, `12h`, `30d`.
    fn from(value: Duration) -> Self {
        let millis = value.as_millis();
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let fit =
            units.into_iter().find(|(unit, length)| millis.is_multiple_of(*length) && (millis != 0 || *unit == "s"));
        let (unit, length) = fit.unwrap_or(("ms", 1));
        Self::preset(format!("{}{unit}", millis / length), value)
    }
}

/// A default of whole seconds.
pub(super) fn seconds(count: u64) -> Written<Duration> {
    Duration::from_secs(count).into()
}

impl From<Bytes> for Written<Bytes> {
    fn from(value: Bytes) -> Self {
        let fit = UNITS.into_iter().find(|(_, unit)| value.0 != 0 && value.0.is_multiple_of(*unit));
        let (unit, length) = fit.unwrap_or(("B", 1));
        Self::preset(format!("{}{unit}", value.0 / length), value)
    }
}

impl<T: Grammar> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: Grammar> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = T::parse(&text).map_err(|fault| serde::de::Error::custom(format!("`{text}` {fault}")))?;
        Ok(Self { text, value })
    }
}

impl<T: Grammar> JsonSchema for Written<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

impl Grammar for Duration {
    const NAME: &'static str = "duration-with-unit";
    const WANTED: &'static str = "a duration with its unit, such as `500ms`, `20s`, `2m` or `12h`";

    fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|_| format!("is not a duration: write {}", Self::WANTED))
    }
}

/// Units of sizes, largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Grammar for Bytes {
    const NAME: &'static str = "size-with-unit";
    const WANTED: &'static str = "a size with its unit, such as `512B`, `32KiB` or `8MiB`";

    fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (number, unit) = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))?;
            let number = number.trim_end_matches(' ');
            let digits = number.bytes().all(|b| b.is_ascii_digit());
            number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(unit)
        };
        read().map(Self).ok_or_else(|| format!("is not a size: write {}", Self::WANTED))
    }
}

impl Grammar for SocketAddr {
    const NAME: &'static str = "address-and-port";
    const WANTED: &'static str = "IP:PORT, such as `127.0.0.1:8080`, `0.0.0.0:80` or `[::]:443`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is not an address to listen on: write {}", Self::WANTED))
    }
}

impl Grammar for Server {
    const NAME: &'static str = "host-and-port";
    const WANTED: &'static str = "HOST:PORT, such as `origin.example.com:80` or `[2001:db8::7]:80`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(said)
    }
}

impl Grammar for Source {
    const NAME: &'static str = "token-source";
    const WANTED: &'static str =
        "`query:NAME`, `header:NAME`, `cookie:NAME`, `segment:NAME`, `segment:NUMBER` or `param:NAME`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is not a token location: write {}", Self::WANTED))
    }
}

impl Grammar for ValueSource {
    const NAME: &'static str = "value-source";
    const WANTED: &'static str = "`claim:NAME`, `header:NAME`, `query:NAME`, `cookie:NAME`, `cmcd:KEY`, `path:REGEX`, or the \
                                  value itself as text";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| {
            let error = said(error);
            // Some of these errors start with the text, as ours do.
            match error.strip_prefix(&format!("`{text}` ")) {
                Some(fault) => fault.to_owned(),
                None => format!("is not a valid source: {error}"),
            }
        })
    }
}

/// Where a stream's id comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StreamWord {
    /// The gateway mints a play session.
    Minted,
    /// Derived from account, device and asset.
    Fingerprint,
    /// Read from a source.
    Named(ValueSource),
}

impl Grammar for StreamWord {
    const NAME: &'static str = "stream-source";
    const WANTED: &'static str =
        "`minted`, `fingerprint`, `claim:NAME`, `cmcd:sid`, `header:NAME`, `query:NAME` or `cookie:NAME`";

    fn parse(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("minted", _) => Ok(Self::Minted),
            ("fingerprint", _) => Ok(Self::Fingerprint),
            (_, Ok(source)) if !matches!(source, ValueSource::Literal(_)) && !source.is_of_manifest() => {
                Ok(Self::Named(source))
            }
            (_, Err(ValueSourceError::Unknown { near: Some(near), .. })) => {
                Err(format!("is not a source of stream ids: did you mean `{near}`? Write {}", Self::WANTED))
            }
            _ => Err(format!("is not a source of stream ids: write {}", Self::WANTED)),
        }
    }
}

/// The name of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderField(pub(super) http::HeaderName);

impl Grammar for HeaderField {
    const NAME: &'static str = "header-name";
    const WANTED: &'static str = "the name of a header, such as `cf-ipcountry`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("is not a header name: write {}", Self::WANTED))
    }
}

impl Grammar for IpNet {
    const NAME: &'static str = "network";
    const WANTED: &'static str = "a network such as `10.0.0.0/8` or `2001:db8::/32`, or one address";

    fn parse(text: &str) -> Result<Self, String> {
        let address = || text.parse::<std::net::IpAddr>().map(Self::from);
        text.parse().or_else(|_| address()).map_err(|_| format!("is not a network: write {}", Self::WANTED))
    }
}

impl Grammar for Forwarding {
    const NAME: &'static str = "forwarded-address";
    const WANTED: &'static str = "`x-forwarded-for`, `forwarded` or `header:NAME`";

    fn parse(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("header:").map(str::parse)) {
            ("x-forwarded-for", _) => Ok(Self::XForwardedFor),
            ("forwarded", _) => Ok(Self::Forwarded),
            (_, Some(Ok(name))) => Ok(Self::Header(name)),
            _ => Err(format!("is not a source of the client address: write {}", Self::WANTED)),
        }
    }
}

impl Grammar for CountWord {
    const NAME: &'static str = "counted";
    const WANTED: &'static str = "`streams`, or `distinct(ATTRIBUTE)`, such as `distinct(deviceId)`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| format!("cannot be counted: write {}", Self::WANTED))
    }

    fn schema() -> Schema {
        example_of::<Self>(&["streams", "distinct(deviceId)", "distinct(channel)"])
    }
}

impl Grammar for ExceededWord {
    const NAME: &'static str = "who-gives-way";
    const WANTED: &'static str = "`deny_newest`, `terminate_oldest`, `terminate_idlest`, or `terminate_first(EXPRESSION)`, such as `terminate_first(mobileDevice)`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| match text.strip_prefix("prefer(") {
            Some(rest) => format!("is now `terminate_first({rest}`: rename it"),
            None => format!("is not an action: write {}", Self::WANTED),
        })
    }

    fn schema() -> Schema {
        example_of::<Self>(&["deny_newest", "terminate_oldest", "terminate_idlest", "terminate_first(mobileDevice)"])
    }
}

impl Grammar for MissingWord {
    const NAME: &'static str = "without-attribute";
    const WANTED: &'static str = "`refuse`, `ignore_rule`, or `treat_as(\"TEXT\")`, such as `treat_as(\"Unknown\")`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| format!("is not an action: write {}", Self::WANTED))
    }

    fn schema() -> Schema {
        example_of::<Self>(&["refuse", "ignore_rule", "treat_as(\"Unknown\")"])
    }
}

/// Examples for editors; other values are valid as well.
fn example_of<T: Grammar>(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "format": T::NAME, "examples": words })
}

impl Grammar for Algorithm {
    const NAME: &'static str = "algorithm";
    const WANTED: &'static str = "the name of a signature algorithm, such as `HS256`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(said)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::name) })
    }
}

fn said(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_fit_into_64_bits() {
        for (text, bytes) in [("0B", 0), ("512B", 512), ("32KiB", 32768), ("8 MiB", 8 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "B", "12", "+1B", "1.5KiB", "1KB", "1kib", "99999999999999999999B", "18446744073709551615KiB"]
        {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_are_written_in_the_unit_that_a_person_would_take() {
        let written = |seconds| Written::from(Duration::from_secs(seconds)).text;
        assert_eq!([written(20), written(90), written(120), written(43200)], ["20s", "90s", "2m", "12h"]);
        assert_eq!(Written::from(Duration::from_millis(1500)).text, "1500ms");
        assert_eq!(Written::from(Bytes(8 << 20)).text, "8MiB");
        for text in ["20s", "90s", "2m", "12h", "1500ms", "0s", "30d"] {
            assert!(Duration::parse(text).is_ok_and(|value| Written::from(value).text == text), "{text}");
        }
    }
}
