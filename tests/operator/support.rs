//! A program with an operator's API, and those who use it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::program::{Answer, Gateway, Origin, SECRET, SESSION, free_port, token};

pub(crate) const READER: &str = "a token of somebody who looks";
pub(crate) const OPERATOR: &str = "a token of somebody who does";

/// A configuration, by the parts that tests change. Each account may have two streams.
pub(crate) struct Config {
    /// Whether the API asks for tokens.
    pub(crate) tokens: bool,
    pub(crate) streams: &'static str,
    pub(crate) extra: &'static str,
    pub(crate) limit: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { tokens: true, streams: "{}", extra: "", limit: 2 }
    }
}

/// The program, and the origin behind it.
pub(crate) struct Program {
    pub(crate) gateway: Gateway,
    pub(crate) origin: Origin,
}

impl std::ops::Deref for Program {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Config {
    pub(crate) fn text(&self, address: SocketAddr, control: SocketAddr, origin: &Origin) -> String {
        let tokens = "\n  tokens:\n    - { name: reader, role: read, secret: { file: reader } }\n    \
                      - { name: boss, role: operate, secret: { file: operator } }";
        format!(
            "listeners: [{{ address: {address} }}]\ncontrol:\n  address: {control}{}\n\
             origins: {{ main: {{ servers: [\"{}\"] }} }}\n\
             applications:\n  tv:\n    name: TV app\n    tenant: acme-tv\n    stream_source: both\n    \
             routes: [{{ path: /, origin: main }}]\n    identity:\n      \
             token: {{ in: [\"query:token\"], jwt: {{ keys: [{{ alg: HS256, secret: {{ file: tv.hs256 }} }}] }} }}\n      \
             idp: acme\n      subject: claim:sub\n      device: claim:device\n    policies: [household]\n\
             policies: {{ household: {{ rules: [{{ name: streams, limit: {}, when_exceeded: deny_newest }}] }} }}\n\
             sessions: {{ keys: [{{ id: 1, secret: {{ file: session.key }} }}] }}\nstreams: {}\n\
             shutdown: {{ grace: 1s }}\n{}",
            if self.tokens { tokens } else { "" },
            origin.address,
            self.limit,
            self.streams,
            self.extra,
        )
    }

    pub(crate) async fn start(self) -> Program {
        self.start_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Starts with the files of an earlier program, such as its snapshot.
    pub(crate) async fn start_in(self, folder: Arc<tempfile::TempDir>) -> Program {
        let origin = Origin::usual().await;
        let [address, control] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let files: [(&str, &[u8]); 4] = [
            ("tv.hs256", SECRET),
            ("session.key", SESSION),
            ("reader", READER.as_bytes()),
            ("operator", OPERATOR.as_bytes()),
        ];
        for (name, bytes) in files {
            // A token of the API is of one word.
            let bytes: Vec<u8> = match name {
                "reader" | "operator" => bytes.iter().map(|byte| if *byte == b' ' { b'-' } else { *byte }).collect(),
                _ => bytes.to_vec(),
            };
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("streamgate.yaml"), self.text(address, control, &origin)).unwrap();
        Program { gateway: Gateway::run(folder, address, control, "http").await, origin }
    }
}

/// What to send as the token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {}", token.replace(' ', "-"))
}

impl Program {
    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://{}/api{path}", self.control)
    }

    /// Asks the API as somebody.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(method, self.api(path)).header("authorization", bearer(token));
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Looks at something that is there.
    pub(crate) async fn look(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, READER, None).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Does something, which works.
    pub(crate) async fn act(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(method, path, OPERATOR, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub(crate) async fn block(&self, what: &str, seconds: u64, reason: &str) -> Value {
        self.act(Method::PUT, &format!("/blocks/{what}"), Some(&json!({ "seconds": seconds, "reason": reason }))).await
    }

    /// Starts a stream of a subject's device.
    pub(crate) async fn play(&self, subject: &str, device: &str, asset: &str) -> Answer {
        self.get(&format!("/{asset}/master.m3u8?token={}", token(subject, device))).await
    }

    /// Starts one and asks for its media. Returns the prefix of its play session.
    pub(crate) async fn watch(&self, subject: &str, device: &str, asset: &str) -> String {
        let entry = self.play(subject, device, asset).await;
        assert_eq!(entry.status, 200, "{}", entry.text());
        let prefix = entry.prefix();
        assert_eq!(self.segment(&prefix, asset).await.status, 200);
        prefix
    }

    pub(crate) async fn segment(&self, prefix: &str, asset: &str) -> Answer {
        self.get(&format!("{prefix}/{asset}/a.ts")).await
    }

    /// The ids of an account's streams.
    pub(crate) async fn streams(&self, subject: &str) -> Vec<String> {
        let account = self.look(&format!("/accounts/acme/{subject}")).await;
        account["streams"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }
}
