//! The JSON Schema of a configuration, for editors and for the check.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use super::raw::Config;

/// The JSON Schema (draft 2020-12) of a configuration file, with descriptions and defaults.
/// Without references, so that every editor supports it.
///
/// `format` names custom grammars (durations, sizes, addresses, …), which other validators ignore.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.with_transform(Plain).into_generator().into_root_schema_for::<Config>().to_value()
}

/// Ignores `null`: a key without a value counts as missing before the schema is applied.
#[derive(Clone, Debug)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        let inner = match schema.get_mut("anyOf") {
            Some(Value::Array(choices)) => {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                match choices.as_mut_slice() {
                    [Value::Object(only)] => Some(std::mem::take(only)),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(inner) = inner {
            schema.remove("anyOf");
            for (key, value) in inner {
                // The description of the field takes precedence over that of its type.
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
        transform_subschemas(self, schema);
    }
}
