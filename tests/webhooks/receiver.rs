//! Somebody who is told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;

use super::program::{Gateway, Origin, answer, until};

/// A batch that came.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: Option<String>,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Post {
    pub(super) fn events(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The signature as Standard Webhooks describe it, made of nothing but a hash (RFC 2104).
    pub(super) fn is_signed_with(&self, key: &[u8]) -> bool {
        assert!(key.len() <= 64);
        let padded = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
        let content = [format!("{}.{}.", self.id, self.timestamp).as_bytes(), &self.body].concat();
        let inner = digest(&SHA256, &[padded(0x36), content].concat());
        let outer = digest(&SHA256, &[&padded(0x5c), inner.as_ref()].concat());
        self.signature.as_deref() == Some(&format!("v1,{}", STANDARD.encode(outer)))
    }
}

/// What it answers.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Status(u16),
    /// A status and `Retry-After`.
    After(u16, &'static str),
    /// A redirect to another path of its own.
    Elsewhere,
    Never,
}

/// An HTTP server that answers as the test wants and keeps what it is told.
pub(super) struct Receiver {
    server: Origin,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    /// Accepts everything.
    pub(super) async fn new() -> Self {
        Self::that(|_| Reply::Status(204)).await
    }

    /// Answers the post of that number, counted from 0, with what `reply` says.
    pub(super) async fn that(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let posts = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (posts.clone(), Arc::new(reply));
        let server = Origin::new(move |request| {
            let (kept, reply) = (kept.clone(), reply.clone());
            async move {
                let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                assert_eq!(request.method(), "POST");
                let mut post = Post {
                    at: Instant::now(),
                    path: request.uri().path().to_owned(),
                    id: header("webhook-id").unwrap_or_default(),
                    timestamp: header("webhook-timestamp").unwrap_or_default(),
                    signature: header("webhook-signature"),
                    content_type: header("content-type").unwrap_or_default(),
                    body: Bytes::new(),
                };
                post.body = request.into_body().collect().await.unwrap().to_bytes();
                let nth = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(post);
                    kept.len() - 1
                };
                let (status, extra) = match reply(nth) {
                    Reply::Status(status) => (status, None),
                    Reply::After(status, after) => (status, Some(("retry-after", after))),
                    Reply::Elsewhere => (307, Some(("location", "/elsewhere"))),
                    Reply::Never => std::future::pending().await,
                };
                let mut answer = answer(status, "text/plain", "");
                if let Some((name, value)) = extra {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                answer
            }
        })
        .await;
        Self { server, posts }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks", self.server.address)
    }

    /// What it is called in metrics.
    pub(super) fn label(&self) -> String {
        format!("hook=\"{}\"", self.server.address)
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<Value> {
        self.posts().iter().flat_map(Post::events).collect()
    }

    /// Waits for so many events.
    pub(super) async fn told(&self, number: usize) -> Vec<Value> {
        until(&format!("{number} events have come"), async || self.events().len() >= number).await;
        let events = self.events();
        assert_eq!(events.len(), number, "{events:#?}");
        events
    }

    /// Waits for so many posts.
    pub(super) async fn posted(&self, number: usize) -> Vec<Post> {
        until(&format!("{number} batches have come"), async || self.posts().len() >= number).await;
        self.posts()
    }
}

/// What became of a receiver's events.
pub(super) async fn counted(gateway: &Gateway, receiver: &Receiver, result: &str) -> i64 {
    let labels = format!("{},result=\"{result}\"", receiver.label());
    gateway.metric("streamgate_webhook_events_total", &labels).await
}

/// Waits until so many of a receiver's events have come to that.
pub(super) async fn counts(gateway: &Gateway, receiver: &Receiver, result: &str, number: i64) {
    until(&format!("{number} are {result}"), async || counted(gateway, receiver, result).await >= number).await;
    assert_eq!(counted(gateway, receiver, result).await, number, "{result}");
}

/// The last part of an event's type, and its device.
pub(super) fn short(event: &Value) -> (String, String) {
    let kind = event["type"].as_str().unwrap().strip_prefix("com.streamgate.stream.").unwrap();
    (kind.to_owned(), event["data"]["device"].as_str().unwrap_or_default().to_owned())
}

/// Time enough for something that must not happen.
pub(super) async fn a_while() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}
