//! Attributes of a stream, from the query, a form or a JSON object.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::BodyExt;

use crate::model::Attributes;
use crate::streams::Stream;

use super::malformed::Malformed;

/// Maximum attributes of one stream.
const MAX_KEYS: usize = 64;
/// Maximum bytes of a name.
const MAX_KEY: usize = 64;
/// Maximum bytes of a value.
const MAX_VALUE: usize = 512;
/// Maximum bytes of a body.
const MAX_BODY: usize = 16 << 10;
/// Maximum bytes of a body that are read and discarded, so that the sender finishes and reads the answer.
const MAX_DISCARDED: usize = 32 << 20;
/// Maximum time to receive a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Attributes that only the gateway sets; values from applications are ignored.
pub(super) const SERVER_OWNED: [&str; 9] = [
    "superseded",
    "streamId",
    "streamStart",
    "application",
    "applicationId",
    "applicationName",
    "idp",
    "mvpd",
    "accountId",
];

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Reads the query and the body. The body wins; of a repeated name, the last value wins.
    ///
    /// # Errors
    /// Too large, not UTF-8, or a body that is neither a form nor a flat JSON object of strings. Never buffers more
    /// than 16 KiB.
    pub(super) async fn read(head: &Parts, body: Body) -> Result<Self, Malformed> {
        let mut metadata = Self::default();
        let query = head.uri.query().map_or(Ok(()), |query| metadata.add_form(query.as_bytes()));
        // The body is always read: an answer sent during an upload may get lost.
        let body = if body.is_end_stream() { Vec::new() } else { whole(body).await? };
        query?;
        if body.is_empty() {
            return Ok(metadata);
        }
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            metadata.add_form(&body)?;
        } else if kind.eq_ignore_ascii_case("application/json") {
            metadata.add_json(&body)?;
        } else {
            return Err(Malformed("the body must be application/x-www-form-urlencoded or a flat JSON object"));
        }
        Ok(metadata)
    }

    /// Removes a parameter that is not an attribute.
    pub(super) fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn add_form(&mut self, form: &[u8]) -> Result<(), Malformed> {
        // Stops at the first error.
        form_urlencoded::parse(form).try_for_each(|(name, value)| self.add(&name, &value))
    }

    fn add_json(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let object: BTreeMap<String, String> =
            serde_json::from_slice(body).map_err(|_| Malformed("a JSON body must be one object with string values"))?;
        object.iter().try_for_each(|(name, value)| self.add(name, value))
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        // Invalid UTF-8 is decoded to this character.
        if [name, value].into_iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Malformed("a metadata name or value is not UTF-8"));
        }
        if name.is_empty() || name.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(Malformed("metadata names must have 1 to 64 bytes, values at most 512"));
        }
        if SERVER_OWNED.contains(&name) {
            return Ok(());
        }
        if let Some(known) = self.0.get_mut(name) {
            value.clone_into(known);
            return Ok(());
        }
        if self.0.len() == MAX_KEYS {
            return Err(Malformed("a stream has at most 64 attributes"));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}

impl From<Metadata> for Attributes {
    /// Empty values are left out.
    fn from(Metadata(pairs): Metadata) -> Self {
        pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// True if a stream stays within the limit of attributes after adding `news`. `superseded`, which the gateway sets,
/// does not count.
pub(super) fn fits(stream: &Stream, news: &Attributes) -> bool {
    let learned = stream.attribute_update(news, &stream.asset).attributes;
    learned.is_none_or(|all| all.len() - usize::from(all.get("superseded").is_some()) <= MAX_KEYS)
}

/// Reads a body of limited size.
async fn whole(mut body: Body) -> Result<Vec<u8>, Malformed> {
    let read = async {
        let (mut bytes, mut seen) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Malformed("the body is incomplete"))?;
            let Ok(data) = frame.into_data() else { continue };
            seen = seen.saturating_add(data.len());
            if seen <= MAX_BODY {
                bytes.extend_from_slice(&data);
            } else if seen > MAX_DISCARDED {
                break;
            }
        }
        if seen <= MAX_BODY { Ok(bytes) } else { Err(Malformed("the body is longer than 16 KiB")) }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Malformed("the body was not received in time")))
}

#[cfg(test)]
mod tests;
