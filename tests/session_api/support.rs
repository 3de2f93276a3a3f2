//! The applications of the conformance fixture, and a client that speaks version 2.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::Value;

pub(super) use super::program::Answer;
use super::program::{Gateway, SECRET, SESSION, free_port, until};

const APPLICATIONS: &str = r#"applications:
  demo: { name: Demo app, tenant: acme, stream_source: api, policies: [cap3] }
  demo2: { tenant: acme, stream_source: api, policies: [per-channel] }
  devs: { tenant: acme, stream_source: api, policies: [two-devices] }
  fifo: { name: Fifo app, tenant: acme, stream_source: api, policies: [latest] }
  two: { tenant: acme, stream_source: api, policies: [cap1, one-device] }
  lv: { tenant: acme, stream_source: api, policies: [live-vod] }
  app1: { tenant: t1, stream_source: api, policies: [p1] }
  app2: { tenant: t2, stream_source: api, policies: [p1, p2] }
  app3: { tenant: t2, stream_source: api, policies: [p2] }
  guest: { tenant: other, stream_source: api, policies: [cap3] }
  solo: { tenant: other, stream_source: api }
  duo: { tenant: acme, stream_source: api, policies: [row6] }
  plan: { tenant: acme, stream_source: api, policies: [by-plan] }
  locked: { tenant: acme, stream_source: api, idps: [i9] }
  seen: { tenant: acme, routes: [{ path: /seen, origin: main }], anonymous: pass }
  tv:
    name: TV app
    tenant: acme
    stream_source: both
    routes: [{ path: /, origin: main }]
    identity:
      token:
        in: ["header:authorization", "query:token"]
        jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
      idp: acme
      subject: claim:sub
      device: claim:device
      stream: ["claim:sid", minted]
      attributes: { channel: "claim:channel" }
    policies: [cap3]
policies:
  cap3: { rules: [{ name: three-streams, limit: 3, message: "All {limit} screens are in use" }] }
  per-channel: { rules: [{ name: two-on-a-channel, limit: 2, per: [channel] }] }
  two-devices: { rules: [{ name: two-devices, count: distinct(deviceId), limit: 2 }] }
  latest: { rules: [{ name: the-latest, limit: 1, when_exceeded: terminate_oldest }] }
  cap1: { rules: [{ name: one-stream, limit: 1 }] }
  one-device: { rules: [{ name: one-device, count: distinct(deviceId), limit: 1 }] }
  live-vod:
    rules:
      - { name: live, target: 'contentType == "live"', limit: 3, when_exceeded: terminate_oldest }
      - { name: vod, target: 'contentType == "vod"', limit: 1, when_exceeded: terminate_oldest }
  p1: { rules: [{ name: one, limit: 1, when_exceeded: terminate_oldest }] }
  p2: { rules: [{ name: two, limit: 2 }] }
  by-plan: { rules: [{ name: what-is-paid-for, limit_attribute: maxStreams, missing: refuse }] }
  row6:
    rules:
      - { name: streams, limit: 3, when_exceeded: terminate_oldest }
      - { name: devices, count: distinct(deviceId), limit: 2, when_exceeded: terminate_oldest }
"#;

/// What tests change of the fixture.
pub(super) struct Fixture {
    /// The session API.
    pub(super) timers: &'static str,
    pub(super) tombstone: &'static str,
    /// Where proxied plays come from.
    pub(super) origin: SocketAddr,
}

impl Default for Fixture {
    /// Timers are scaled, so that a test need not wait a minute.
    fn default() -> Self {
        Self {
            timers: "interval: 3s, grace: 2s, throttle: { calls: 20, window: 6s }",
            tombstone: "15s",
            origin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
        }
    }
}

/// Sessions that last, for tests that wait for something else.
pub(super) const LASTING: &str = "interval: 60s, grace: 30s, throttle: { calls: 20, window: 6s }";

/// A gateway with the fixture's applications.
pub(super) struct Api {
    pub(super) gateway: Gateway,
}

impl Fixture {
    pub(super) async fn start(self) -> Api {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let [address, control] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("tv.hs256", SECRET);
        write("session.key", SESSION);
        write("blocks.yaml", b"[]");
        let Self { timers, tombstone, origin } = self;
        let text = format!(
            "listeners: [{{ address: \"{address}\" }}]\ncontrol: {{ address: \"{control}\" }}\n\
             origins: {{ main: {{ servers: [\"{origin}\"] }} }}\n{APPLICATIONS}\
             sessions: {{ keys: [{{ id: 1, secret: {{ file: session.key }} }}] }}\n\
             session_api: {{ {timers}{comma}cors: {{ origins: [\"https://player.example\"] }} }}\n\
             streams: {{ tombstone: {tombstone}, min_tenure: 0s }}\nshutdown: {{ grace: 1s }}\nblocks: {{ file: blocks.yaml }}\n",
            comma = if timers.is_empty() { "" } else { ", " },
        );
        write("streamgate.yaml", text.as_bytes());
        Api { gateway: Gateway::run(folder, address, control, "http").await }
    }
}

/// A gateway with the fixture as it is.
pub(super) async fn api() -> Api {
    Fixture::default().start().await
}

impl Api {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.control)
    }

    /// A call without credentials.
    pub(super) fn call(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.gateway.client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    /// A call of an application.
    pub(super) fn call_of(&self, application: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.call(method, path).basic_auth(application, Some(""))
    }

    /// A start on `account`, which is `idp/subject` as it stands in a path.
    pub(super) fn starting(
        &self,
        application: &str,
        account: &str,
        metadata: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let call = self.call_of(application, "POST", &format!("/v2/sessions/{account}"));
        if metadata.is_empty() { call } else { with_form(call, metadata) }
    }

    pub(super) async fn start(&self, application: &str, account: &str, metadata: &[(&str, &str)]) -> Answer {
        send(self.starting(application, account, metadata)).await
    }

    /// A start that is accepted. Returns the session's id.
    pub(super) async fn started(&self, application: &str, account: &str, metadata: &[(&str, &str)]) -> String {
        let answer = self.start(application, account, metadata).await;
        accepted(&answer)
    }

    pub(super) async fn beat_with(
        &self,
        application: &str,
        account: &str,
        session: &str,
        metadata: &[(&str, &str)],
    ) -> Answer {
        let call = self.call_of(application, "POST", &format!("/v2/sessions/{account}/{session}"));
        send(if metadata.is_empty() { call } else { with_form(call, metadata) }).await
    }

    pub(super) async fn beat(&self, application: &str, account: &str, session: &str) -> Answer {
        self.beat_with(application, account, session, &[]).await
    }

    /// Whether a heartbeat says that the session plays on.
    pub(super) async fn plays(&self, application: &str, account: &str, session: &str) -> bool {
        self.beat(application, account, session).await.status == 202
    }

    pub(super) async fn stop(&self, application: &str, account: &str, session: &str) -> Answer {
        send(self.call_of(application, "DELETE", &format!("/v2/sessions/{account}/{session}"))).await
    }

    pub(super) async fn listed(&self, application: &str, account: &str) -> Answer {
        let answer = send(self.call_of(application, "GET", &format!("/v2/runningStreams/{account}"))).await;
        assert_eq!(answer.status, 200);
        answer
    }

    /// The streams that `application` sees.
    pub(super) async fn running(&self, application: &str, account: &str) -> Vec<Value> {
        let list = json(&self.listed(application, account).await);
        list["runningStreams"].as_array().unwrap().clone()
    }

    /// Their ids.
    pub(super) async fn ids(&self, application: &str, account: &str) -> Vec<String> {
        self.running(application, account).await.iter().map(|stream| text(&stream["sessionId"])).collect()
    }

    /// What is known of a session that runs.
    pub(super) async fn metadata(&self, application: &str, account: &str, session: &str) -> Value {
        let running = self.running(application, account).await;
        running.iter().find(|stream| stream["sessionId"] == session).expect("the session runs")["metadata"].clone()
    }

    /// The code of a session that runs.
    pub(super) async fn code(&self, application: &str, account: &str, session: &str) -> String {
        let running = self.running(application, account).await;
        let stream = running.iter().find(|stream| stream["sessionId"] == session).expect("the session runs");
        text(&stream["terminationCode"])
    }

    /// Waits until nothing of the account runs any more.
    pub(super) async fn silent(&self, application: &str, account: &str) {
        until("all sessions have expired", async || self.ids(application, account).await.is_empty()).await;
    }

    /// Waits until the gateway's own clock has reached that second.
    pub(super) async fn clock_reaches(&self, second: u64) {
        until("the time has come", async || date(&self.listed("solo", "clock/none").await, "date") >= second).await;
    }
}

pub(super) fn with_form(call: reqwest::RequestBuilder, pairs: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    call.header("content-type", "application/x-www-form-urlencoded").body(form)
}

/// Sends a call. Whatever the answer is, it has what every answer of this version has (C8).
pub(super) async fn send(call: reqwest::RequestBuilder) -> Answer {
    let answer = Answer::of(call.send().await.unwrap()).await;
    assert_eq!(answer.headers.get_all("date").iter().count(), 1, "one Date");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(Duration::from_secs(date(&answer, "date")).abs_diff(now) < Duration::from_secs(5), "Date is now");
    assert_eq!(answer.header("cache-control"), "no-store");
    for name in ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"] {
        assert!(answer.header("vary").contains(name), "{:?}", answer.headers);
    }
    assert_eq!(answer.body.is_empty(), answer.headers.get("content-type").is_none(), "{:?}", answer.headers);
    answer
}

/// The id of a session that was accepted.
pub(super) fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_bare(answer);
    answer.header("location").to_owned()
}

/// No body, no type.
pub(super) fn assert_bare(answer: &Answer) {
    assert_eq!(answer.text(), "");
    assert_eq!(answer.header("content-length"), "0");
    assert!(answer.headers.get("content-type").is_none());
}

/// A status without a body.
pub(super) fn assert_status(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_bare(answer);
}

pub(super) fn json(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The evaluation result of an answer with that status, which has two lists and nothing else.
pub(super) fn result(answer: &Answer, status: u16) -> (Vec<Value>, Vec<Value>) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let result = json(answer);
    if status == 400 {
        assert_eq!(keys(&result), ["associatedAdvice", "detail", "obligations"]);
        assert!(!result["detail"].as_str().unwrap().is_empty());
    } else {
        assert_eq!(keys(&result), ["associatedAdvice", "obligations"]);
    }
    let list = |name: &str| result[name].as_array().unwrap().clone();
    (list("associatedAdvice"), list("obligations"))
}

/// The only advice of a 409, which comes without obligations.
pub(super) fn violation(answer: &Answer) -> Value {
    let (mut advice, obligations) = result(answer, 409);
    assert!(obligations.is_empty() && advice.len() == 1, "{}", answer.text());
    advice.remove(0)
}

/// The names in an object, sorted.
pub(super) fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// An HTTP-date, in seconds.
pub(super) fn date(answer: &Answer, name: &str) -> u64 {
    let time =
        httpdate::parse_http_date(answer.header(name)).unwrap_or_else(|_| panic!("{name}: {:?}", answer.headers));
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `Expires` less `Date`.
pub(super) fn interval(answer: &Answer) -> u64 {
    date(answer, "expires") - date(answer, "date")
}
