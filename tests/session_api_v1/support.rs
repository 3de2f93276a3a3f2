//! The applications of the conformance list, and how they speak.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use super::gateway::{Answer, until};
use super::gateway::{Gateway, Origin, SECRET, SESSION, free_port};

/// A gateway, and the origin behind it.
pub(crate) struct House {
    gateway: Gateway,
    _origin: Origin,
}

impl Deref for House {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

/// Interval 3 s, grace 2 s; what has ended is remembered for 15 s.
const APPLICATIONS: &str = "
applications:
  demo: { name: Demo, tenant: acme, stream_source: api, policies: [cap3] }
  twin: { name: Twin, tenant: acme, stream_source: api, policies: [cap3] }
  fifo: { name: Fifo, tenant: acme, stream_source: api, policies: [latest] }
  one: { name: One, tenant: acme, stream_source: api, policies: [cap1] }
  devs: { name: Devices, tenant: acme, stream_source: api, policies: [two-devices] }
  solo: { name: Solo, tenant: other, stream_source: api }
  locked: { name: Locked, tenant: acme, stream_source: api, idps: [i9] }
  media:
    tenant: acme
    routes: [{ host: media.example, path: /, origin: main }]
    identity:
      token:
        in: [\"query:token\"]
        jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
      idp: acme
      subject: claim:sub
  tv:
    name: TV
    tenant: acme
    stream_source: both
    policies: [cap3]
    routes: [{ path: /, origin: main }]
    identity:
      token:
        in: [\"query:token\"]
        jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
      idp: acme
      subject: claim:sub
      device: claim:device
      stream: [claim:sid, minted]
      attributes: { assetId: claim:asset }
policies:
  cap3: { rules: [{ name: three, limit: 3 }] }
  cap1: { rules: [{ name: one, limit: 1 }] }
  latest: { rules: [{ name: one, limit: 1, when_exceeded: terminate_oldest }] }
  two-devices: { rules: [{ name: devices, count: distinct(deviceId), limit: 2 }] }
session_api: { interval: 3s, grace: 2s, throttle: { calls: 20, window: 6s } }
sessions: { keys: [{ id: 1, secret: { file: session.key } }] }
streams: { tombstone: 15s, min_tenure: 0s }
shutdown: { grace: 1s }
";

impl House {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// Where nothing expires as long as a test takes.
    pub(crate) async fn patient() -> Self {
        Self::of(&APPLICATIONS.replace("interval: 3s", "interval: 10m")).await
    }

    /// With further sections of the configuration.
    pub(crate) async fn with(more: &str) -> Self {
        Self::of(&format!("{APPLICATIONS}{more}")).await
    }

    async fn of(sections: &str) -> Self {
        let origin = Origin::usual().await;
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let port = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (address, control) = (port(), port());
        let text = format!(
            "listeners: [{{ address: \"{address}\" }}]\ncontrol: {{ address: \"{control}\" }}\n\
             origins: {{ main: {{ servers: [\"{}\"] }} }}\n{sections}",
            origin.address
        );
        for (name, bytes) in [("tv.hs256", SECRET), ("session.key", SESSION), ("streamgate.yaml", text.as_bytes())] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { gateway: Gateway::run(folder, address, control, "http").await, _origin: origin }
    }

    /// Where a page of the control port is.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.control)
    }

    pub(crate) async fn ask(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.page(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client.post(self.page(path)).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    /// Starts a stream for an account of `acme`.
    pub(crate) async fn start(&self, application: &str, account: &str, form: &[(&str, &str)]) -> Started {
        let answer = self.post(&format!("/v1/{application}/acme/accounts/{account}/streams"), form).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = json(&answer);
        let path = answer.header("location").strip_prefix(&self.page("")).expect("an absolute address").to_owned();
        Started { path, body, headers: answer.headers }
    }

    /// Sends an event of a stream.
    pub(crate) async fn event(&self, stream: &Started, event: &str) -> u16 {
        let answer = self.post(&format!("{}?event={event}", stream.path), &[]).await;
        assert!(answer.status != 202 || answer.body.is_empty() && answer.header("content-type").is_empty());
        answer.status
    }

    /// Whether a stream says that it keeps the policies.
    pub(crate) async fn is_compliant(&self, stream: &Started) -> bool {
        let answer = self.ask(&stream.path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        json(&answer)["policyCompliant"].as_bool().unwrap()
    }

    /// The number of streams of an account of `acme`, as an application sees it.
    pub(crate) async fn count(&self, application: &str, account: &str) -> u64 {
        let path = format!("/v1/{application}/acme/accounts/{account}/activity?metrics=activeStreams");
        json(&self.ask(&path).await)["activeStreams"][0]["streamCount"].as_u64().unwrap()
    }

    /// Waits until that number is reached.
    pub(crate) async fn counts_to(&self, application: &str, account: &str, number: u64) {
        let what = format!("{number} streams of {account} run");
        until(&what, async || self.count(application, account).await == number).await;
    }
}

/// A stream that was answered with 201.
pub(crate) struct Started {
    /// The path of its address.
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Started {
    pub(crate) fn id(&self) -> &str {
        self.body["streamId"].as_str().unwrap()
    }

    pub(crate) fn is_compliant(&self) -> bool {
        self.body["policyCompliant"].as_bool().unwrap()
    }

    /// The number of streams that the answer to its start told.
    pub(crate) fn count(&self) -> u64 {
        self.body["activity"]["activeStreams"][0]["streamCount"].as_u64().unwrap()
    }
}

/// The body of an answer, which must be JSON and say so.
pub(crate) fn json(answer: &Answer) -> Value {
    assert!(answer.header("content-type").starts_with("application/json"), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}
