//! What operators do, as the log tells it.

use std::collections::BTreeSet;
use std::fmt;

use reqwest::Method;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use super::program::until;
use super::support::{Config, Program};

/// A JSON object whose keys differ; with `serde_json`'s own type the last of two values would be kept in silence.
struct Unique(serde_json::Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut found = serde_json::Map::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if found.insert(key.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("`{key}` stands twice")));
                    }
                }
                Ok(Unique(found))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Every line of the log, each read strictly.
fn lines(program: &Program) -> Vec<serde_json::Map<String, Value>> {
    let read = |line: &str| serde_json::from_str::<Unique>(line).unwrap_or_else(|error| panic!("{error}: {line}")).0;
    program.log().lines().map(read).collect()
}

#[tokio::test]
async fn every_line_has_each_key_once_and_says_on_what_was_acted_and_for_how_long() {
    let program = Config::default().start().await;
    let play = program.watch("alice", "tv-1", "news").await;
    let stream = program.streams("alice").await.remove(0);
    program.act(Method::POST, &format!("/streams/acme/alice/{stream}/kill"), Some(&json!({ "reason": "x" }))).await;
    assert_eq!(program.segment(&play, "news").await.status, 403);
    program.block("accounts/acme/alice", 3600, "one").await;
    program.block("devices/acme/alice/tv-1", 60, "two").await;
    program.block("tokens/tv/7f3a", 61, "three").await;
    program.block(&format!("sessions/{stream}"), 62, "four").await;
    program.act(Method::PUT, "/exemptions/acme/bob", Some(&json!({ "seconds": 7200, "reason": "five" }))).await;
    program.act(Method::DELETE, "/exemptions/acme/bob", None).await;
    program.act(Method::POST, "/reload", None).await;
    program.act(Method::POST, "/drain", None).await;
    program.act(Method::DELETE, "/drain", None).await;
    until("the last line is written", async || program.log().contains("\"undrain\"")).await;

    let lines = lines(&program);
    let audit: Vec<_> = lines.iter().filter(|line| line["target"] == "operator").collect();
    let told: Vec<(&str, &str, Option<u64>)> = audit
        .iter()
        .map(|line| {
            let seconds = line.get("seconds").map(|seconds| seconds.as_u64().unwrap());
            (line["what"].as_str().unwrap(), line["object"].as_str().unwrap(), seconds)
        })
        .collect();
    let (killed, session) = (format!("stream {stream}"), format!("session {stream}"));
    assert_eq!(
        told,
        [
            ("kill", &*killed, None),
            ("block", "account", Some(3600)),
            ("block", "device tv-1", Some(60)),
            ("block", "token of tv 7f3a", Some(61)),
            ("block", &*session, Some(62)),
            ("exempt", "account", Some(7200)),
            ("end exemption", "account", None),
            ("reload", "configuration", None),
            ("drain", "readiness", None),
            ("undrain", "readiness", None),
        ]
    );
    assert!(audit.iter().all(|line| line["who"] == "boss"), "{audit:?}");
    let targets: BTreeSet<&str> = lines.iter().map(|line| line["target"].as_str().unwrap()).collect();
    assert!(targets.contains("access"), "lines of other kinds were read as well: {targets:?}");
}
