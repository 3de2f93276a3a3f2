//! A scenario as it is written.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// A whole scenario.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    /// What it shows.
    pub(super) title: Option<String>,
    /// The time at which it begins, as RFC 3339 writes it.
    pub(super) clock: Option<Spanned<String>>,
    /// Whose streams they are, where a start says nothing else.
    #[serde(default)]
    pub(super) account: Who,
    /// What happens, in the order of time.
    pub(super) steps: Vec<Spanned<StepForm>>,
}

/// An account; what is left out is the default's.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    pub(super) idp: Option<String>,
    pub(super) subject: Option<String>,
}

/// Something that happens. Exactly one of `start` to `check` is there.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepForm {
    pub(super) at: Spanned<String>,
    pub(super) start: Option<Spanned<String>>,
    pub(super) heartbeat: Option<Spanned<String>>,
    pub(super) stop: Option<Spanned<String>>,
    pub(super) end: Option<Spanned<String>>,
    pub(super) learn: Option<Spanned<String>>,
    pub(super) reload: Option<Spanned<String>>,
    pub(super) check: Option<Spanned<String>>,
    pub(super) application: Option<Spanned<String>>,
    pub(super) device: Option<Spanned<String>>,
    /// Whoever has the same client comes from the same network with the same user agent.
    pub(super) client: Option<Spanned<String>>,
    pub(super) asset: Option<Spanned<String>>,
    pub(super) attributes: Option<Pairs>,
    pub(super) content: Option<Spanned<Content>>,
    pub(super) idle: Option<Spanned<bool>>,
    pub(super) account: Option<Spanned<Who>>,
    pub(super) expect: Option<Spanned<Expect>>,
}

/// What a manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    Live,
    Vod,
}

impl Content {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Vod => "vod",
        }
    }
}

/// What has become of the stream of a step when the step is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It took a slot.
    Admitted,
    /// The policies turned it away; nothing has changed.
    Refused,
    /// It is over, and its player is told so.
    Terminated,
    /// It plays on for the grace of a rule.
    Leaving,
    /// It keeps the slot that it has.
    Playing,
    /// It had lost its slot and took one again.
    Resumed,
    /// Its request passes, and it has no slot: late ones of a device that has moved on.
    Passed,
    /// It asks for nothing any more, and keeps its slot until that is noticed.
    Silent,
    /// It was not there.
    Gone,
}

impl Outcome {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Terminated => "terminated",
            Self::Leaving => "terminating",
            Self::Playing => "playing",
            Self::Resumed => "resumed",
            Self::Passed => "passed",
            Self::Silent => "silent",
            Self::Gone => "gone",
        }
    }
}

/// What the author of a scenario expects; what is left out is not looked at.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectations {
    pub(super) outcome: Option<Spanned<Outcome>>,
    /// The rules that the step exceeds, whatever their mode, as `POLICY/RULE` in configuration order.
    pub(super) rules: Option<Spanned<Vec<Spanned<String>>>>,
    /// Those among them that refuse it.
    pub(super) refuses: Option<Spanned<Vec<Spanned<String>>>>,
    /// The streams that were terminated since the step before.
    pub(super) ends: Option<Spanned<Vec<Spanned<String>>>>,
    /// The streams that play on for a grace.
    pub(super) terminating: Option<Spanned<Vec<Spanned<String>>>>,
    /// The streams that hold slots and count.
    pub(super) running: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Expectations, or the outcome alone.
#[derive(Debug)]
pub(super) struct Expect(pub(super) Expectations);

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The outcome alone has a place as well, which an untagged enum would lose.
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Expectations;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "an outcome, or a mapping with `outcome`, `rules`, `refuses`, `ends`, `terminating` or `running`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Expectations, E> {
                let outcome = Outcome::deserialize(serde::de::value::StrDeserializer::new(word))?;
                let nowhere = serde_saphyr::Location::UNKNOWN;
                Ok(Expectations { outcome: Some(Spanned::new(outcome, nowhere, nowhere)), ..Expectations::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mapping: A) -> Result<Expectations, A::Error> {
                Expectations::deserialize(MapAccessDeserializer::new(mapping))
            }
        }

        deserializer.deserialize_any(Either).map(Self)
    }
}

/// Names and values, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping of attributes to their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = mapping.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
