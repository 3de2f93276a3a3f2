//! Common Media Client Data: every published text, query and set of headers says what its source says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::str::FromStr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Number, Value, json};
use streamgate::identity::RequestFacts;
use streamgate::identity::cmcd::{self, Data, Item};

use super::corpus::{text, vectors};

/// A value as the vectors write it; one with parameters is an object of value and parameters.
fn shown(item: &Item<'_>) -> Value {
    let value = bare(&item.value);
    if item.params.is_empty() {
        return value;
    }
    let params: Map<String, Value> =
        item.params.iter().map(|(name, value)| ((*name).to_owned(), bare(value))).collect();
    json!({ "value": value, "params": params })
}

fn bare(data: &Data<'_>) -> Value {
    match data {
        Data::Bool(yes) => Value::Bool(*yes),
        Data::Number(number) => Value::Number(Number::from_str(number).unwrap()),
        Data::Token(text) => Value::String((*text).to_owned()),
        Data::Text(text) => Value::String(text.clone().into_owned()),
        Data::List(items) => Value::Array(items.iter().map(shown).collect()),
    }
}

/// Numbers by what they mean: `2.00` is `2.0`.
fn means_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| means_the_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, one)| other.get(name).is_some_and(|other| means_the_same(one, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// What `find` gives for the value of a vector.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => as_text(items.first()?),
        Value::Object(item) => as_text(&item["value"]),
        other => Some(other.to_string()),
    }
}

fn query_of(url: &str) -> &str {
    let url = url.split('#').next().unwrap();
    url.split_once('?').map_or(if url.contains("//") { "" } else { url }, |(_, query)| query)
}

/// The percent-encoding undone by another hand than the reader's.
fn form_value(query: &str) -> String {
    let url = url::Url::parse(&format!("http://a.example/?{query}")).unwrap();
    url.query_pairs().find(|(name, _)| name == "CMCD").map(|(_, value)| value.into_owned()).unwrap()
}

/// The texts of a vector to be read whole, and the request that carries them.
fn carried(vector: &Value) -> (Vec<String>, Option<String>, HeaderMap) {
    let mut headers = HeaderMap::new();
    let input = text(vector, "input");
    match text(vector, "carriage") {
        "headers" => {
            let lines = vector["headers"].as_object().unwrap();
            for (name, line) in lines {
                let name = HeaderName::from_str(name).unwrap();
                assert!(cmcd::is_header(&name), "{name}");
                headers.append(name, HeaderValue::from_str(line.as_str().unwrap()).unwrap());
            }
            (lines.values().map(|line| line.as_str().unwrap().to_owned()).collect(), None, headers)
        }
        "query" => {
            let query = query_of(input);
            (vec![form_value(query)], Some(query.to_owned()), headers)
        }
        // A text by itself is what any of the headers may carry.
        "string" => {
            headers.append("cmcd-request", HeaderValue::from_str(input).unwrap());
            (vec![input.to_owned()], None, headers)
        }
        other => panic!("a carriage that is not known: {other}"),
    }
}

#[test]
fn every_published_text_says_what_its_source_says() {
    let Some(vectors) = vectors("cmcd") else { return };
    let mut ran: BTreeMap<String, u32> = BTreeMap::new();
    for vector in &vectors {
        let id = text(vector, "id");
        assert_eq!((text(vector, "kind"), text(vector, "verdict")), ("parse", "valid"), "{id}");
        let expected = vector["parsed"].as_object().unwrap();
        let (texts, query, headers) = carried(vector);

        let read: Vec<(&str, Item<'_>)> = texts.iter().flat_map(|text| cmcd::parse(text)).collect();
        let whole: Map<String, Value> = read.iter().map(|(key, item)| ((*key).to_owned(), shown(item))).collect();
        assert!(means_the_same(&Value::Object(whole.clone()), &vector["parsed"]), "{id}: {whole:?}");
        let mut tokens: Vec<&str> = Vec::new();
        for (key, item) in &read {
            if matches!(item.value, Data::Token(_)) {
                tokens.push(key);
            }
        }
        tokens.sort_unstable();
        if !text(vector, "features").contains("params") {
            let known: Vec<&str> =
                vector["tokens"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
            let is_list = |key: &&str| expected[*key].is_array() || expected[*key].is_object();
            assert_eq!(tokens.iter().copied().filter(|key| !is_list(key)).collect::<Vec<_>>(), known, "{id}");
        }

        let request = RequestFacts::new("/", query.as_deref(), &headers);
        for (key, value) in expected {
            let found = cmcd::find(&request, key);
            let same = match value {
                Value::Number(number) => found.as_deref().and_then(|text| text.parse().ok()) == number.as_f64(),
                _ => found.as_deref() == as_text(value).as_deref(),
            };
            assert!(same, "{id}: {key} is {found:?}");
        }
        assert_eq!(cmcd::find(&request, "absent"), None, "{id}");
        *ran.entry(text(vector, "carriage").to_owned()).or_default() += 1;
    }
    eprintln!("ran {} CMCD vectors: {ran:?}", vectors.len());
    assert!(vectors.len() >= 26 && ran.len() == 3, "the corpus has become small: {ran:?}");
}

#[test]
fn every_published_url_is_stripped_as_its_source_strips_it() {
    let Some(vectors) = vectors("cmcd") else { return };
    let mut ran = 0;
    for vector in vectors.iter().filter(|vector| text(vector, "carriage") == "query") {
        let query = query_of(text(vector, "input"));
        let stripped = cmcd::strip_query(query);
        if let Some(without) = vector["without"].as_str() {
            assert_eq!(stripped, query_of(without), "{}", text(vector, "id"));
            ran += 1;
        }
        let headers = HeaderMap::new();
        let request = RequestFacts::new("/", Some(&stripped), &headers);
        for key in vector["parsed"].as_object().unwrap().keys() {
            assert_eq!(cmcd::find(&request, key), None, "{}", text(vector, "id"));
        }
    }
    assert!(ran >= 2, "the corpus has become small: {ran} URLs were stripped");
}
