//! A gateway that only proxies ask, and the ways in which they do.

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};

use super::program::{Answer, Gateway, Origin, Setup, token};

/// An account may have two streams.
pub(super) async fn gateway() -> Gateway {
    setup().await.start().await
}

/// The same, to be changed first. Nobody goes to its origin.
pub(super) async fn setup() -> Setup {
    Setup::before(&[&Origin::usual().await])
}

/// What one proxy sends.
pub(super) struct Question {
    method: Method,
    path: String,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Question {
    /// A proxy's own request line.
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self { method: method.parse().unwrap(), path: path.to_owned(), fields: Vec::new() }
    }

    /// As nginx asks about a viewer's `GET`.
    pub(super) fn about(uri: &str) -> Self {
        Self::new("GET", "/authz").with("X-Original-URI", uri)
    }

    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.fields.push((name.parse().unwrap(), value));
        self
    }

    /// With the token of a device.
    pub(super) fn of(self, subject: &str, device: &str) -> Self {
        self.with("Authorization", format!("Bearer {}", token(subject, device)))
    }

    /// With the token of a device of alice's.
    pub(super) fn from(self, device: &str) -> Self {
        self.of("alice", device)
    }

    pub(super) async fn to(self, gateway: &Gateway) -> Answer {
        let url = format!("http://{}{}", gateway.control, self.path);
        let mut request = gateway.client.request(self.method, url);
        for (name, value) in self.fields {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// The status alone.
    pub(super) async fn status(self, gateway: &Gateway) -> u16 {
        self.to(gateway).await.status
    }
}

/// A viewer's `GET` with the token of a device of alice's: the status that the proxy gets.
pub(super) async fn get(gateway: &Gateway, device: &str, uri: &str) -> u16 {
    Question::about(uri).from(device).status(gateway).await
}
