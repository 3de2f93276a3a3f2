//! A scenario as written.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// A whole scenario.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    /// Title.
    pub(super) title: Option<String>,
    /// Start time (RFC 3339).
    pub(super) clock: Option<Spanned<String>>,
    /// Default account of the starts.
    #[serde(default)]
    pub(super) account: Who,
    /// Steps, sorted by time.
    pub(super) steps: Vec<Spanned<StepForm>>,
}

/// An account; missing parts come from the default.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    pub(super) idp: Option<String>,
    pub(super) subject: Option<String>,
}

/// One step. Exactly one of `start` to `check` is present.
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
    /// Players with the same client have the same network and user agent.
    pub(super) client: Option<Spanned<String>>,
    pub(super) asset: Option<Spanned<String>>,
    pub(super) attributes: Option<Pairs>,
    pub(super) content: Option<Spanned<Content>>,
    pub(super) idle: Option<Spanned<bool>>,
    pub(super) account: Option<Spanned<Who>>,
    pub(super) expect: Option<Spanned<Expect>>,
}

/// Content type in a manifest.
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

/// State of a step's stream after the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It took a slot.
    Admitted,
    /// The policies refused it; nothing has changed.
    Refused,
    /// It is terminated, and its player gets that answer.
    Terminated,
    /// It plays during the grace of a rule.
    Leaving,
    /// It keeps its slot.
    Playing,
    /// It had lost its slot and took one again.
    Resumed,
    /// Its request passes without a slot: a late request of a device that has moved on.
    Passed,
    /// It sends no more requests, and keeps its slot until the idle timeout.
    Silent,
    /// The stream does not exist.
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

/// Expectations; missing ones are not checked.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectations {
    pub(super) outcome: Option<Spanned<Outcome>>,
    /// Rules that the step exceeds, in any mode, as `POLICY/RULE` in configuration order.
    pub(super) rules: Option<Spanned<Vec<Spanned<String>>>>,
    /// Those of them that refuse it.
    pub(super) refuses: Option<Spanned<Vec<Spanned<String>>>>,
    /// Streams that were terminated since the previous step.
    pub(super) ends: Option<Spanned<Vec<Spanned<String>>>>,
    /// Streams in their grace.
    pub(super) terminating: Option<Spanned<Vec<Spanned<String>>>>,
    /// Streams that hold slots and count.
    pub(super) running: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Expectations, or only the outcome.
#[derive(Debug)]
pub(super) struct Expect(pub(super) Expectations);

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A single outcome has a position as well, which an untagged enum would lose.
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

/// Names and values, in written order.
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
