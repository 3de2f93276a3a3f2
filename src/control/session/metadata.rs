//! What an application says of a stream, in the query, a form or a JSON object.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::BodyExt;

use crate::model::Attributes;
use crate::streams::Stream;

use super::malformed::Malformed;

/// Attributes of one stream.
const MAX_KEYS: usize = 64;
/// Bytes of a name.
const MAX_KEY: usize = 64;
/// Bytes of a value.
const MAX_VALUE: usize = 512;
/// Bytes of a body.
const MAX_BODY: usize = 16 << 10;
/// Bytes of a body that are read and thrown away, so that whoever sends it has done so and reads the answer.
const MAX_DISCARDED: usize = 32 << 20;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the gateway says of a stream itself: nobody else's word counts.
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

/// Names and values, each name once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// What the query and the body of a request say. The body wins, and of a name that comes twice the last value.
    ///
    /// # Errors
    /// Too much of it, no UTF-8, or a body that is neither a form nor a flat JSON object of texts. Never more than 16 KiB of a
    /// body are held.
    pub(super) async fn read(head: &Parts, body: Body) -> Result<Self, Malformed> {
        let mut metadata = Self::default();
        let query = head.uri.query().map_or(Ok(()), |query| metadata.add_form(query.as_bytes()));
        // A body is read in any case: an answer to a request that is still being sent may get lost.
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
            return Err(Malformed("the body has to be application/x-www-form-urlencoded, or a flat JSON object"));
        }
        Ok(metadata)
    }

    /// Takes out a parameter that is none of the stream's.
    pub(super) fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn add_form(&mut self, form: &[u8]) -> Result<(), Malformed> {
        // Stops at the first that is one too many.
        form_urlencoded::parse(form).try_for_each(|(name, value)| self.add(&name, &value))
    }

    fn add_json(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let object: BTreeMap<String, String> = serde_json::from_slice(body)
            .map_err(|_| Malformed("a JSON body has to be one object whose values are all texts"))?;
        object.iter().try_for_each(|(name, value)| self.add(name, value))
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        // What is not UTF-8 is decoded to this; nobody writes it on purpose.
        if [name, value].into_iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Malformed("a name or a value of the metadata is not UTF-8"));
        }
        if name.is_empty() || name.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(Malformed("metadata have names of 1 to 64 bytes and values of at most 512"));
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
    /// What is empty is not said.
    fn from(Metadata(pairs): Metadata) -> Self {
        pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// Whether a stream still has no more attributes than it may have once `news` are known of it as well. `superseded`, which
/// the gateway says, comes on top.
pub(super) fn fits(stream: &Stream, news: &Attributes) -> bool {
    let learned = stream.attribute_update(news, &stream.asset).attributes;
    learned.is_none_or(|all| all.len() - usize::from(all.get("superseded").is_some()) <= MAX_KEYS)
}

/// A body of a size that makes sense.
async fn whole(mut body: Body) -> Result<Vec<u8>, Malformed> {
    let read = async {
        let (mut bytes, mut seen) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Malformed("the body broke off"))?;
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
    tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Malformed("the body took too long")))
}

#[cfg(test)]
mod tests;
