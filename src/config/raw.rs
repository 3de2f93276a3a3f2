//! The configuration as an operator writes it. Doc comments of fields are the descriptions of the JSON Schema.
//!
//! Only shapes stand here. What cannot be said by a shape (names that must exist, bounds between two keys, files that
//! must be readable) is judged in `compile`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::identity::jwt::Algorithm;
use crate::identity::{Source, StreamSource, ValueSource};
use crate::streams;

use super::grammar::{Bytes, Written};
use super::server::Server;

/// Names stand in metric labels, headers and play sessions.
pub(super) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

fn named() -> Value {
    json!({ "pattern": NAME })
}

/// Configuration of Streamgate.
// The missing sections are told by the schema; here they default, so that one that is missing hides nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Streamgate", extend("required" = ["listeners", "origins", "applications", "sessions"]))]
pub(super) struct Config {
    /// Where viewers connect.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(super) listeners: Vec<Listener>,
    /// The control port: health and metrics.
    #[serde(default)]
    pub(super) control: Control,
    /// What stands behind: video origins or caches, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "minProperties" = 1, "default" = null))]
    pub(super) origins: BTreeMap<String, Origin>,
    /// The operator's apps and sites, by id.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "minProperties" = 1, "default" = null))]
    pub(super) applications: BTreeMap<String, Application>,
    /// Policies by name; applications carry them by that name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named()))]
    pub(super) policies: BTreeMap<String, Policy>,
    /// Play sessions: how they are sealed.
    pub(super) sessions: Option<Sessions>,
    /// How long things last in a stream's life.
    #[serde(default)]
    pub(super) streams: Streams,
    /// What one viewer or one peer may demand of the gateway.
    #[serde(default)]
    pub(super) limits: Limits,
    /// How the gateway stops.
    #[serde(default)]
    pub(super) shutdown: Shutdown,
    /// Worker threads. Left out: as many as the machine has cores.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) threads: Option<usize>,
    /// What is logged, and how.
    #[serde(default)]
    pub(super) log: Log,
}

/// One address where viewers connect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    /// IP:PORT. `0.0.0.0` stands for every IPv4 address of the machine, `[::]` for every IPv6 address.
    pub(super) address: Written<SocketAddr>,
    /// Speak TLS here, with HTTP/2 and HTTP/1.1. Left out: HTTP/1.1 in clear.
    pub(super) tls: Option<Tls>,
}

/// The certificate of a listener. Both files are read again when they change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// PEM file: the certificate, then those that lead to its root.
    pub(super) certificate: PathBuf,
    /// PEM file: the certificate's private key.
    pub(super) key: PathBuf,
}

/// The control port.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Control {
    /// IP:PORT. Keep it where only the operator reaches it.
    pub(super) address: Written<SocketAddr>,
}

impl Default for Control {
    fn default() -> Self {
        Self { address: Written::preset("127.0.0.1:9090", SocketAddr::from(([127, 0, 0, 1], 9090))) }
    }
}

/// One origin: servers that hold the same content.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// HOST:PORT each. Names are resolved in the background; requests go round.
    #[schemars(length(min = 1))]
    pub(super) servers: Vec<Written<Server>>,
    /// Speak TLS to the servers.
    #[serde(default)]
    pub(super) tls: bool,
    /// With `tls`: refuse a server whose certificate is not valid for its name.
    #[serde(default = "yes")]
    pub(super) verify_certificate: bool,
    /// The `Host` that the servers are sent, and the name that their certificate must have. Left out: the viewer's
    /// `Host` goes on, and certificates are checked against the server's name.
    #[schemars(length(min = 1))]
    pub(super) host_header: Option<String>,
    /// How long a connection may take to be made, TLS included.
    #[serde(default = "connect_timeout")]
    pub(super) connect_timeout: Written<Duration>,
    /// How long a server may be silent while we wait for it. Blocking playlist reloads of LL-HLS need some seconds.
    #[serde(default = "read_timeout")]
    pub(super) read_timeout: Written<Duration>,
    /// How long a server may take to accept more of a request.
    #[serde(default = "write_timeout")]
    pub(super) write_timeout: Written<Duration>,
    /// How long an unused connection is kept. Stay below the servers' own value.
    #[serde(default = "idle_timeout")]
    pub(super) idle_timeout: Written<Duration>,
    /// Connections to each server at most; 0 for no bound.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) max_connections: usize,
    /// How often names of servers are resolved again.
    #[serde(default = "resolve_every")]
    pub(super) resolve_every: Written<Duration>,
}

fn yes() -> bool {
    true
}

fn seconds(count: u64) -> Written<Duration> {
    Duration::from_secs(count).into()
}

fn connect_timeout() -> Written<Duration> {
    seconds(2)
}

fn read_timeout() -> Written<Duration> {
    seconds(30)
}

fn write_timeout() -> Written<Duration> {
    seconds(10)
}

fn idle_timeout() -> Written<Duration> {
    seconds(50)
}

fn max_connections() -> usize {
    1000
}

fn resolve_every() -> Written<Duration> {
    seconds(30)
}

/// One app or site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Application {
    /// For people: shown in refusals. Left out: the id.
    #[schemars(length(min = 1, max = 256))]
    pub(super) name: Option<String>,
    /// Which requests belong to it, and where they go.
    #[schemars(length(min = 1))]
    pub(super) routes: Vec<Route>,
    /// How viewers are recognised. Left out: not at all, with `unidentified: pass`.
    pub(super) identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    #[serde(default)]
    pub(super) unidentified: Unidentified,
    /// The policies that it carries, all of which must hold.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(super) policies: Vec<String>,
}

/// One rule of routing. A route with a host comes before those without; then the longest path wins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// The path itself and everything below it. `/live` holds `/live` and `/live/a`, not `/liver`.
    #[schemars(regex(pattern = "^/"))]
    pub(super) path: String,
    /// The name of an origin.
    pub(super) origin: String,
    /// Only requests with this `Host`, whatever the port and the case. Left out: any.
    #[schemars(length(min = 1, max = 255))]
    pub(super) host: Option<String>,
}

/// How viewers are recognised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// The token that proves an account.
    pub(super) token: Token,
    /// Identity provider of the account: a literal, or `claim:NAME`, where NAME may be a path with dots.
    pub(super) idp: Written<ValueSource>,
    /// The account within it: `claim:NAME`, or a literal.
    pub(super) subject: Written<ValueSource>,
    /// The viewer's device: `claim:NAME`. Left out: a weak hint from network and user agent.
    pub(super) device: Option<Written<ValueSource>>,
    /// Where a stream's id comes from: `minted`, or `claim:NAME` of a token that reaches every request of the play.
    #[serde(default = "minted")]
    pub(super) stream: Written<StreamSource>,
}

fn minted() -> Written<StreamSource> {
    Written::preset("minted", StreamSource::Minted)
}

/// Where the token is and what it looks like.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// Places, in order: the first that has one decides.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub(super) places: Vec<Written<Source>>,
    /// It is a JSON Web Token.
    pub(super) jwt: Jwt,
}

/// JSON Web Tokens (RFC 7519).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwt {
    /// The keys that verify it. A key serves its one algorithm only.
    #[schemars(length(min = 1))]
    pub(super) keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// The signature algorithm.
    pub(super) alg: Written<Algorithm>,
    /// The key's id, as tokens name it. Left out: that of the JWK, or none.
    #[schemars(length(min = 1))]
    pub(super) kid: Option<String>,
    /// With HS256, HS384 and HS512: the secret, raw bytes.
    pub(super) secret: Option<Material>,
    /// With every other algorithm: the public key, as PEM or as one JWK.
    pub(super) public_key: Option<Material>,
}

/// Where a secret or a key is read from: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct Material {
    /// A file, sought from the folder of the configuration. One line end at its end is no part of it.
    #[schemars(length(min = 1))]
    pub(super) file: Option<String>,
    /// An environment variable.
    #[schemars(length(min = 1))]
    pub(super) env: Option<String>,
}

/// What happens to media requests of nobody.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unidentified {
    /// 401.
    #[default]
    Refuse,
    /// They pass and are not counted.
    Pass,
}

/// A named list of rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// What exceeding a rule means.
    #[serde(default)]
    pub(super) mode: Mode,
    /// All of them must hold.
    #[schemars(length(min = 1))]
    pub(super) rules: Vec<Rule>,
}

/// What exceeding a rule means.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// Refuse or terminate.
    #[default]
    Enforce,
    /// Pass, and say so in headers.
    Annotate,
    /// Pass, and only count.
    Shadow,
}

/// At most so many streams of one account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Unique in its policy; shown in refusals and metrics.
    #[schemars(regex(pattern = NAME))]
    pub(super) name: String,
    /// The highest number of streams that is allowed. 0 (nobody) goes with `deny_newest` only.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) limit: u32,
    /// Who gives way.
    #[serde(default)]
    pub(super) when_exceeded: WhenExceeded,
}

/// Who gives way when a rule is exceeded.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenExceeded {
    /// The stream that wants to start is refused.
    #[default]
    DenyNewest,
    /// The streams that started first are terminated.
    TerminateOldest,
}

/// How play sessions are sealed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sessions {
    /// The first seals; all open, so that keys can be changed without a break. The same on every gateway.
    #[schemars(length(min = 1))]
    pub(super) keys: Vec<SealingKey>,
    /// How long a play session is good for. Longer than the longest programme.
    #[serde(default = "max_age")]
    pub(super) max_age: Written<Duration>,
}

fn max_age() -> Written<Duration> {
    Duration::from_hours(12).into()
}

/// One key that seals play sessions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SealingKey {
    /// Its number, written into each play session. Never use one again for another secret.
    #[schemars(range(min = 1, max = 255))]
    pub(super) id: u8,
    /// At least 32 bytes that nobody can guess.
    pub(super) secret: Material,
}

/// How long things last in a stream's life.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Streams {
    /// How long an admitted start holds its slot before any media is asked for.
    pub(super) reserve: Written<Duration>,
    /// How long a stream that asks for nothing keeps its slot; derived from its manifest within these.
    pub(super) idle: Idle,
    /// How long a live player that polls without fetching media keeps its slot.
    pub(super) paused_holds_slot: Written<Duration>,
    /// How long an idle stream keeps its place in the record.
    pub(super) forget: Written<Duration>,
    /// How long a terminated stream is remembered after its last refused request.
    pub(super) tombstone: Written<Duration>,
    /// How long a stream holds its slot before a policy may terminate it.
    pub(super) min_tenure: Written<Duration>,
    /// Accounts kept at most.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(super) capacity: u64,
    /// File where streams are kept over a restart. Left out: they are rebuilt from their play sessions.
    #[schemars(length(min = 1))]
    pub(super) snapshot: Option<String>,
}

/// Bounds of the idle window.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Idle {
    /// The shortest.
    pub(super) min: Written<Duration>,
    /// The longest.
    pub(super) max: Written<Duration>,
}

impl Default for Idle {
    fn default() -> Self {
        let streams::Settings { idle_min, idle_max, .. } = streams::Settings::default();
        Self { min: idle_min.into(), max: idle_max.into() }
    }
}

impl Default for Streams {
    fn default() -> Self {
        let of = streams::Settings::default();
        Self {
            reserve: of.reserve.into(),
            idle: Idle::default(),
            paused_holds_slot: of.paused_holds_slot.into(),
            forget: of.forget.into(),
            tombstone: of.tombstone.into(),
            min_tenure: of.min_tenure.into(),
            capacity: of.capacity,
            snapshot: None,
        }
    }
}

/// What one viewer or one peer may demand of the gateway.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Connections per listener at most.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) connections: usize,
    /// Request line and headers at most. A play session takes up to 2 KiB of the request line.
    pub(super) header_bytes: Written<Bytes>,
    /// How long the headers of one request may take to arrive, waiting time between requests included. Longer than
    /// `keep_alive`.
    pub(super) header_timeout: Written<Duration>,
    /// How long a viewer's connection is kept between requests.
    pub(super) keep_alive: Written<Duration>,
    /// Requests that one connection carries before it is closed.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(super) requests_per_connection: u32,
    /// The largest manifest that is rewritten; a larger one passes unchanged.
    pub(super) manifest_bytes: Written<Bytes>,
    /// How long a viewer may take to accept more of an answer.
    pub(super) write_timeout: Written<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            header_bytes: Bytes(32 << 10).into(),
            header_timeout: seconds(35),
            keep_alive: seconds(30),
            requests_per_connection: 10_000,
            manifest_bytes: Bytes(8 << 20).into(),
            write_timeout: seconds(60),
        }
    }
}

/// How the gateway stops.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shutdown {
    /// How long requests in flight may still take.
    pub(super) grace: Written<Duration>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: seconds(5) }
    }
}

/// What is logged, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// The least important that is logged.
    pub(super) level: Level,
    /// How a line looks.
    pub(super) format: LogFormat,
    /// One line for each request.
    pub(super) access: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Json, access: true }
    }
}

/// The least important that is logged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it all")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}
