//! YAML, as a value that remembers where each of its parts was written.

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

/// Where one part was written.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its key, where it is the member of a mapping.
    key: Option<Position>,
    value: Position,
}

/// A configuration as it was written.
#[derive(Debug)]
pub(super) struct Document {
    /// The whole, less what [`Document::cut`] took away.
    pub(super) value: Value,
    /// Every part that was ever written.
    places: HashMap<Pointer, Place>,
    /// Lists that lost items: where each remaining item stood at first.
    moved: BTreeMap<Pointer, Vec<usize>>,
    lines: Lines,
}

impl Document {
    /// A problem with the part at `pointer` (as it stands in [`Document::value`] now), placed at its value.
    pub(super) fn problem(&self, pointer: &Pointer, message: impl Into<String>) -> Problem {
        self.place(pointer, message.into(), |place| place.value)
    }

    /// A problem placed at the key: an unknown key, or something missing inside.
    pub(super) fn problem_at_key(&self, pointer: &Pointer, message: impl Into<String>) -> Problem {
        self.place(pointer, message.into(), |place| place.key.unwrap_or(place.value))
    }

    /// A problem with what begins at byte `at` of the text at `pointer`: at its own column where the text stands on one line as it
    /// is, else at the text's place, with its number among the characters of `what`.
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

    /// The text that stands at `pointer` now.
    fn text(&self, pointer: &Pointer) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// What stands at `pointer` now.
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
                // What was left out has no place of its own: its holder's key stands for it.
                position = if here == written { side(place) } else { place.key.unwrap_or(place.value) };
                break;
            }
            at = here.parent();
        }
        Problem { line: position.0, column: position.1, path: written.to_string(), message }
    }

    /// Whether anything, right or wrong, was written at `pointer`.
    pub(super) fn has(&self, pointer: &Pointer) -> bool {
        self.places.contains_key(&self.as_written(pointer))
    }

    /// Whether what was written at `pointer` is there no more: then a problem with it has been told.
    pub(super) fn lost(&self, pointer: &Pointer) -> bool {
        self.has(pointer) && self.at(pointer).is_none()
    }

    /// The keys that were written in the mapping at the root called `section`, including those that were cut.
    pub(super) fn names(&self, section: &str) -> Vec<String> {
        self.keys(&[Some(section), None]).iter().filter_map(|keys| keys.last().map(|key| (*key).to_owned())).collect()
    }

    /// The keys of every part whose path is `path`, where `None` is any key; sorted. Those that were cut are there as well.
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

    /// Takes the part at `pointer` away, so that what is broken there does not stand in the way of the rest.
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

    /// The pointer with the item numbers of the file, which differ from today's once an item was cut.
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
    // A byte order mark is no part of the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| broken(&error))?;
    let mut places = HashMap::new();
    let value = settle(root, None, Pointer::default(), &mut places);
    // A file of comments only is an empty mapping: what it lacks is then said key by key.
    let value = if value.is_null() { Value::Object(Map::new()) } else { value };
    Ok(Document { value, places, moved: BTreeMap::new(), lines: Lines::new(text) })
}

fn position(location: Location) -> Position {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    (number(location.line()), number(location.column()))
}

/// Why the text is no YAML, in one sentence.
fn broken(error: &Error) -> Problem {
    let error = error.without_snippet();
    let place = error.location();
    let (line, column) = place.map_or((1, 1), position);
    let message = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` stands here a second time: keep one of the two")
        }
        Error::DuplicateMappingKey { .. } => "this key stands here a second time: keep one of the two".to_owned(),
        Error::MultipleDocuments { .. } => "a second YAML document begins here: keep one, without `---`".to_owned(),
        Error::UnknownAnchor { .. } => "the alias names no anchor: define it before its use, as in `&name`".to_owned(),
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let suffix = place.map(|at| format!(" at line {}, column {}", at.line(), at.column())).unwrap_or_default();
            let text = text.strip_suffix(suffix.as_str()).unwrap_or(&text);
            format!("not valid YAML: {text}; look at the indentation, quotes and brackets here and just before")
        }
    };
    Problem { line, column, path: String::new(), message }
}

/// A YAML node whose children know their places.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Turns nodes into a value and notes the places. A key with nothing behind it counts as left out.
fn settle(node: Spanned<Node>, key: Option<Position>, at: Pointer, places: &mut HashMap<Pointer, Place>) -> Value {
    // `defined`: for an alias, the place where its text can be changed.
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
        // `2.0` is a whole number to JSON Schema: hand it on as one, or the types would refuse what the schema accepts.
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
