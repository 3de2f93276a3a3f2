//! YAML as a value, with the position of each part in the file.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Error, Location, Spanned};

use super::pointer::{Pointer, Step};
use super::report::Problem;
use super::scalar_position::{self, Lines};

/// Line and column, both from 1.
type Position = (usize, usize);

/// Position of one part.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Position of its key, if it is a member of a mapping.
    key: Option<Position>,
    value: Position,
}

/// A configuration as it was written.
#[derive(Debug)]
pub(super) struct Document {
    /// The document without the parts removed by [`Document::cut`].
    pub(super) value: Value,
    /// Every part of the file, including cut ones.
    places: HashMap<Pointer, Place>,
    /// Lists with cut items: the original index of each remaining item.
    moved: BTreeMap<Pointer, Vec<usize>>,
    lines: Lines,
}

impl Document {
    /// A problem with the part at `pointer` (in the current [`Document::value`]), positioned at its value.
    pub(super) fn problem(&self, pointer: &Pointer, message: impl Into<String>) -> Problem {
        self.place(pointer, message.into(), |place| place.value)
    }

    /// A problem positioned at the key: an unknown key, or a missing one inside.
    pub(super) fn problem_at_key(&self, pointer: &Pointer, message: impl Into<String>) -> Problem {
        self.place(pointer, message.into(), |place| place.key.unwrap_or(place.value))
    }

    /// A problem at byte `at` of the text at `pointer`. If the text is on one line, the position is exact. Otherwise it
    /// is that of the text, and the message adds the number of the character in `what`.
    pub(super) fn problem_inside(&self, pointer: &Pointer, at: usize, what: &str, message: &str) -> Problem {
        let problem = self.problem(pointer, message);
        let text = self.text(pointer);
        let before = text.get(..text.floor_char_boundary(at)).unwrap_or_default().chars().count();
        let raw = self.lines.behind(problem.line, problem.column);
        match raw.and_then(|raw| scalar_position::column(raw, text, before)) {
            Some(further) => Problem { column: problem.column + further, ..problem },
            None => Problem { message: format!("{message} (at character {} of {what})", before + 1), ..problem },
        }
    }

    /// The current text at `pointer`.
    fn text(&self, pointer: &Pointer) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The current value at `pointer`.
    fn at(&self, pointer: &Pointer) -> Option<&Value> {
        let mut at = Some(&self.value);
        for step in &pointer.0 {
            at = at.and_then(|at| match step {
                Step::Key(key) => at.get(key),
                Step::Item(index) => at.get(index),
            });
        }
        at
    }

    fn place(&self, pointer: &Pointer, message: String, side: fn(&Place) -> Position) -> Problem {
        let written = self.as_written(pointer);
        let mut at = Some(written.clone());
        let mut position = (1, 1);
        while let Some(here) = at {
            if let Some(place) = self.places.get(&here) {
                // A missing part has no position: use the key of its parent.
                position = if here == written { side(place) } else { place.key.unwrap_or(place.value) };
                break;
            }
            at = here.parent();
        }
        Problem { line: position.0, column: position.1, path: written.to_string(), message }
    }

    /// True if anything, valid or not, was written at `pointer`.
    pub(super) fn has(&self, pointer: &Pointer) -> bool {
        self.places.contains_key(&self.as_written(pointer))
    }

    /// True if the part at `pointer` was cut: then its problem has been reported.
    pub(super) fn lost(&self, pointer: &Pointer) -> bool {
        self.has(pointer) && self.at(pointer).is_none()
    }

    /// Keys of the top-level mapping `section`, including cut ones.
    pub(super) fn names(&self, section: &str) -> Vec<String> {
        self.keys(&[Some(section), None]).iter().filter_map(|keys| keys.last().map(|key| (*key).to_owned())).collect()
    }

    /// Keys of every part with the path `path`, where `None` is any key; sorted, including cut ones.
    pub(super) fn keys(&self, path: &[Option<&str>]) -> Vec<Vec<&str>> {
        let mut found: Vec<Vec<&str>> = Vec::new();
        for pointer in self.places.keys().filter(|pointer| pointer.0.len() == path.len()) {
            let keys = pointer.0.iter().map(|step| if let Step::Key(key) = step { Some(&**key) } else { None });
            let keys: Option<Vec<&str>> = keys.collect();
            let fits = |key: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == key);
            found.extend(keys.filter(|keys| keys.iter().zip(path).all(|(key, wanted)| fits(key, *wanted))));
        }
        found.sort_unstable();
        found
    }

    /// Removes the part at `pointer`, so that the rest can be checked without it.
    pub(super) fn cut(&mut self, pointer: &Pointer) {
        let (Some(holder), Some(last)) = (pointer.parent(), pointer.0.last()) else {
            self.value = Value::Object(Map::new());
            return;
        };
        let written = self.as_written(&holder);
        let mut at = &mut self.value;
        for step in &holder.0 {
            let next = match step {
                Step::Key(key) => at.get_mut(key),
                Step::Item(index) => at.get_mut(index),
            };
            let Some(next) = next else { return };
            at = next;
        }
        match (at, last) {
            (Value::Object(members), Step::Key(key)) => {
                members.shift_remove(key);
            }
            (Value::Array(items), Step::Item(index)) if *index < items.len() => {
                let stood = self.moved.entry(written).or_insert_with(|| (0..items.len()).collect());
                if *index < stood.len() {
                    stood.remove(*index);
                }
                items.remove(*index);
            }
            _ => {}
        }
    }

    /// The pointer with the item numbers of the file; cut items shift the current ones.
    fn as_written(&self, pointer: &Pointer) -> Pointer {
        pointer.0.iter().fold(Pointer::default(), |above, step| match step {
            Step::Key(_) => above.step(step.clone()),
            Step::Item(index) => {
                let stood = self.moved.get(&above).and_then(|stood| stood.get(*index)).unwrap_or(index);
                above.item(*stood)
            }
        })
    }
}

/// Reads YAML 1.2: one document, each key once, anchors and merge keys resolved, aliases bounded.
pub(super) fn read(text: &str) -> Result<Document, Problem> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| broken(&error))?;
    let mut places = HashMap::new();
    let value = settle(root, None, Pointer::default(), &mut places);
    // A file with only comments is an empty mapping, so that each missing key is reported.
    let value = if value.is_null() { Value::Object(Map::new()) } else { value };
    Ok(Document { value, places, moved: BTreeMap::new(), lines: Lines::new(text) })
}

fn position(location: Location) -> Position {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    (number(location.line()), number(location.column()))
}

/// Why the text is not valid YAML, in one sentence.
fn broken(error: &Error) -> Problem {
    let error = error.without_snippet();
    let place = error.location();
    let (line, column) = place.map_or((1, 1), position);
    let message = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("duplicate key `{key}`: remove one")
        }
        Error::DuplicateMappingKey { .. } => "duplicate key: remove one".to_owned(),
        Error::MultipleDocuments { .. } => "a second YAML document starts here: keep one, without `---`".to_owned(),
        Error::UnknownAnchor { .. } => {
            "the alias refers to no anchor: define the anchor first, as in `&name`".to_owned()
        }
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let suffix = place.map(|at| format!(" at line {}, column {}", at.line(), at.column())).unwrap_or_default();
            let text = text.strip_suffix(suffix.as_str()).unwrap_or(&text);
            format!("not valid YAML: {text}; check indentation, quotes and brackets here and just before")
        }
    };
    Problem { line, column, path: String::new(), message }
}

/// A YAML node whose children have positions.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Converts nodes into a value and records the positions. A key without a value counts as missing.
fn settle(node: Spanned<Node>, key: Option<Position>, at: Pointer, places: &mut HashMap<Pointer, Place>) -> Value {
    // `defined`: for an alias, the position where its text can be changed.
    let place = Place { key, value: position(node.defined) };
    let value = match node.value {
        Node::Scalar(value) => value,
        Node::List(items) => {
            let settled = items.into_iter().enumerate().map(|(n, item)| settle(item, None, at.item(n), places));
            Value::Array(settled.collect())
        }
        Node::Mapping(members) => {
            let mut settled = Map::new();
            for (name, node) in members {
                let below = at.key(&name.value);
                let value = settle(node, Some(position(name.defined)), below, places);
                if !value.is_null() {
                    settled.insert(name.value, value);
                }
            }
            Value::Object(settled)
        }
    };
    if !(value.is_null() && key.is_some()) {
        places.insert(at, place);
    }
    value
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list, text, a number, `true`, `false` or nothing")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        // JSON Schema accepts `2.0` as a whole number. Convert it, as the types would refuse it.
        #[expect(clippy::cast_possible_truncation, reason = "only whole numbers that fit come here")]
        let number = if value.fract() == 0.0 && value.abs() < 9e15 {
            Some(Number::from(value as i64))
        } else {
            Number::from_f64(value)
        };
        Ok(Node::Scalar(number.map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = mapping.next_entry()? {
            members.push(member);
        }
        Ok(Node::Mapping(members))
    }
}
