//! Validates the shape of a configuration against its schema.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::locate::Document;
use super::messages;
use super::pointer::{Pointer, Step};
use super::report::Problem;
use super::scalar_formats::FORMATS;
use super::schema::schema;

/// Maximum nesting depth of the YAML document.
const MAX_DEPTH: usize = 64;

/// Returns every problem with the shape. Cuts broken parts, and parts that require them, from the document,
/// so that the rest fits the `raw` types and can be compiled.
pub(super) fn check(document: &mut Document) -> Vec<Problem> {
    let schema = schema();
    let mut options = jsonschema::options().should_validate_formats(true);
    for grammar in &FORMATS {
        let fault = grammar.fault;
        options = options.with_format(grammar.name, move |text: &str| fault(text).is_none());
    }
    let validator = match options.build(&schema) {
        Ok(validator) => validator,
        Err(error) => return vec![document.problem(&Pointer::default(), format!("the schema is invalid: {error}"))],
    };
    let found = judge(document, &schema, &validator);
    let problems = found.iter().flat_map(|fault| fault.problems.iter().cloned()).collect();
    let mut to_cut: BTreeSet<Pointer> = found.into_iter().flat_map(|fault| fault.cut).collect();
    // Each pass cuts the parts that require a part cut before, one level of the document per pass.
    for _ in 0..MAX_DEPTH {
        if to_cut.is_empty() {
            break;
        }
        // Backwards, so that the remaining list items keep their indexes.
        for pointer in to_cut.iter().rev() {
            document.cut(pointer);
        }
        to_cut = judge(document, &schema, &validator).into_iter().flat_map(|fault| fault.cut).collect();
    }
    problems
}

/// A problem and the parts to cut.
struct Fault {
    problems: Vec<Problem>,
    cut: Vec<Pointer>,
}

fn judge(document: &Document, schema: &Value, validator: &Validator) -> Vec<Fault> {
    validator.iter_errors(&document.value).map(|error| fault(document, schema, &error)).collect()
}

fn fault(document: &Document, schema: &Value, error: &ValidationError<'_>) -> Fault {
    let at = pointer(error.instance_path());
    let node = holder(schema, error.schema_path());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let keys: Vec<Pointer> = unexpected.iter().map(|key| at.key(key)).collect();
            let say = |(key, at): (&String, &Pointer)| document.problem_at_key(at, messages::unknown_key(key, node));
            Fault { problems: unexpected.iter().zip(&keys).map(say).collect(), cut: keys }
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let problems = vec![document.problem_at_key(&at, messages::missing_key(key, node))];
            // A section missing at the root does not invalidate anything else.
            let cut = if at == Pointer::default() { Vec::new() } else { vec![at] };
            Fault { problems, cut }
        }
        kind @ Kind::PropertyNames { error: inner } => {
            let name = at.key(inner.instance().as_str().unwrap_or_default());
            let problems = vec![document.problem_at_key(&name, messages::describe(kind, node, &Value::Null))];
            Fault { problems, cut: vec![name] }
        }
        kind => {
            let message = messages::describe(kind, node, error.instance());
            Fault { problems: vec![document.problem(&at, message)], cut: vec![at] }
        }
    }
}

fn pointer(location: &Location) -> Pointer {
    let step = |segment| match segment {
        LocationSegment::Property(name) => Step::Key(name.into_owned()),
        LocationSegment::Index(index) => Step::Item(index),
    };
    Pointer(location.iter().map(step).collect())
}

/// The subschema that contains the keyword at `location`.
fn holder<'a>(schema: &'a Value, location: &Location) -> &'a Value {
    let above = location.as_str().rsplit_once('/').map_or("", |(above, _)| above);
    schema.pointer(above).unwrap_or(&Value::Null)
}
