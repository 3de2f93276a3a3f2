//! Sources of values as written: a text, a list of fallbacks, or a mapping that selects a part.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::identity::ValueSource;

use super::scalar_formats::{Grammar, StreamWord, Written};

/// A source of values; `W` is the grammar of its text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, bound(deserialize = "W: Grammar"))]
pub(super) enum Sources<W: Grammar> {
    /// `claim:sub`
    Text(Written<W>),
    /// The first with a value is used.
    List(Vec<Item<W>>),
    /// A part of a value.
    Part(Part<W>),
}

/// A value of a viewer.
pub(super) type ValueFrom = Sources<ValueSource>;
/// A stream's id.
pub(super) type StreamFrom = Sources<StreamWord>;

/// One of several sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, bound(deserialize = "W: Grammar"))]
pub(super) enum Item<W: Grammar> {
    /// The whole value.
    Text(Written<W>),
    /// A part of it.
    Part(Part<W>),
}

/// A part of a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "W: Grammar"))]
#[allow(clippy::struct_field_names, reason = "`part` is what the configuration says")]
pub(super) struct Part<W: Grammar> {
    /// The source.
    pub(super) from: Written<W>,
    /// Separator of its parts.
    pub(super) split: Option<String>,
    /// Number of the part, from 1.
    pub(super) part: Option<usize>,
    /// A regular expression whose first group is the value.
    pub(super) matching: Option<String>,
}

impl<W: Grammar> Sources<W> {
    /// Every source with its part, in order.
    pub(super) fn items(&self) -> Vec<Item<W>>
    where
        W: Clone,
    {
        match self {
            Self::Text(text) => vec![Item::Text(text.clone())],
            Self::List(items) => items.clone(),
            Self::Part(part) => vec![Item::Part(part.clone())],
        }
    }
}

impl Item<ValueSource> {
    /// The source, regardless of the part.
    pub(super) fn source(&self) -> &ValueSource {
        match self {
            Self::Text(text) => &text.value,
            Self::Part(part) => &part.from.value,
        }
    }
}

impl ValueFrom {
    /// True if a manifest may supply it.
    pub(super) fn is_of_manifest(&self) -> bool {
        self.items().iter().any(|item| item.source().is_of_manifest())
    }
}

impl Default for StreamFrom {
    fn default() -> Self {
        Self::Text(Written::preset("minted", StreamWord::Minted))
    }
}

impl Serialize for StreamFrom {
    /// Only used by the schema for the default.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::List(_) | Self::Part(_) => serializer.serialize_none(),
        }
    }
}

impl<W: Grammar> JsonSchema for Sources<W> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}-or-part", W::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = part_of::<W>(&json!(["string", "array", "object"]));
        schema.insert("items".to_owned(), part_of::<W>(&json!(["string", "object"])).to_value());
        schema.insert("minItems".to_owned(), 1.into());
        schema
    }
}

/// JSON Schema keywords apply only to values of their type, so one schema covers all forms.
fn part_of<W: Grammar>(types: &Json) -> Schema {
    json_schema!({
        "type": types,
        "format": W::NAME,
        "properties": {
            "from": { "type": "string", "format": W::NAME, "description": "The source of the value." },
            "split": { "type": "string", "minLength": 1, "maxLength": 8, "description": "Separator of the parts of the value." },
            "part": { "type": "integer", "minimum": 1, "maximum": 64, "description": "With `split`: number of the part, from 1." },
            "matching": { "type": "string", "minLength": 1, "description": "A regular expression whose first group is the value." }
        },
        "required": ["from"],
        "additionalProperties": false
    })
}

impl<W: Grammar> fmt::Display for Sources<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text.text()),
            Self::List(_) => f.write_str("a list"),
            Self::Part(part) => f.write_str(part.from.text()),
        }
    }
}
