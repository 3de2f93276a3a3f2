//! Starts and stops the program and origins for it. Everything listens on 127.0.0.1 and is stopped by the test that started
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const SECRET: &[u8] = b"a secret of the tests, thirty-two bytes and more";
pub(crate) const SESSION: &[u8] = b"another secret, for play sessions, long enough too";

/// Long enough for a busy machine; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A port that was free a moment ago, and that this process has not been given before: a listener and the control port of one
/// gateway must differ. It lies below those that the system gives to clients: another test's would take it.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let some = || 10_000 + u16::try_from(RandomState::new().hash_one(()) % 22_000).unwrap();
    let is_free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(some).find(|port| is_free(port) && GIVEN.lock().unwrap().insert(*port)).unwrap()
}

/// Puts new contents into a file that a gateway watches, whole from the first moment: it may look at any time.
pub(crate) fn replace_file(file: &Path, contents: impl AsRef<[u8]>) {
    let whole = file.with_extension("whole");
    std::fs::write(&whole, contents).unwrap();
    std::fs::rename(whole, file).unwrap();
}

/// Waits for something to become true, looking again and again.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// ---------------------------------------------------------------------------------------------------------------- gateway

/// How a gateway is to be configured. The defaults hold an account to two streams.
pub(crate) struct Setup {
    pub(crate) origins: Vec<SocketAddr>,
    pub(crate) policy: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) streams: &'static str,
    /// How viewers are recognised, in lines of its own indentation.
    pub(crate) identity: String,
    /// Files that the configuration names.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// Further lines for the application, the origin and the whole.
    pub(crate) application: &'static str,
    pub(crate) origin: String,
    pub(crate) extra: String,
    pub(crate) tls: bool,
    pub(crate) anonymous: &'static str,
    /// Servers by name, beside `origins`.
    pub(crate) servers: Vec<String>,
    pub(crate) more_listeners: String,
    /// Further lines of the control port.
    pub(crate) control: &'static str,
    pub(crate) shutdown: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            policy: "{ name: two-streams, limit: 2, when_exceeded: deny_newest }",
            mode: "enforce",
            streams: "{}",
            identity: "      token:\n        in: [\"query:token\", \"header:authorization\", \"cookie:token\"]\n        jwt:\n          \
                       keys:\n            - { alg: HS256, secret: { file: tv.hs256 } }\n      idp: acme\n      subject: claim:sub\n      \
                       device: claim:device\n"
                .to_owned(),
            files: Vec::new(),
            application: "",
            origin: String::new(),
            extra: String::new(),
            tls: false,
            anonymous: "refuse",
            servers: Vec::new(),
            more_listeners: String::new(),
            control: "",
            shutdown: "{ grace: 1s }",
        }
    }
}

/// A running program.
pub(crate) struct Gateway {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) client: reqwest::Client,
    scheme: &'static str,
}

impl Setup {
    pub(crate) fn before(origins: &[&Origin]) -> Self {
        Self { origins: origins.iter().map(|origin| origin.address).collect(), ..Self::default() }
    }

    pub(crate) async fn start(self) -> Gateway {
        self.start_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Starts with the files of an earlier gateway, such as its snapshot.
    pub(crate) async fn start_in(self, folder: Arc<tempfile::TempDir>) -> Gateway {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("tv.hs256", SECRET);
        write("session.key", SESSION);
        for (name, bytes) in &self.files {
            write(name, bytes);
        }
        let tls = if self.tls { "\n    tls: { certificate: tls.crt, key: tls.key }" } else { "" };
        let servers = self.origins.iter().map(ToString::to_string).chain(self.servers.iter().cloned());
        let servers: Vec<String> = servers.map(|server| format!("\"{server}\"")).collect();
        let text = format!(
            "listeners:\n  - address: {address}{tls}\n{}control:\n  address: {control}\n{}\
             origins:\n  main:\n    servers: [{}]\n{}\
             applications:\n  tv:\n    name: TV app\n    routes: [{{ path: /, origin: main }}]\n    identity:\n{}\
             {}    anonymous: {}\n    policies: [household]\n\
             policies:\n  household:\n    mode: {}\n    rules:\n      - {}\n\
             sessions:\n  keys: [{{ id: 1, secret: {{ file: session.key }} }}]\nstreams: {}\nshutdown: {}\n{}",
            self.more_listeners,
            self.control,
            servers.join(", "),
            self.origin,
            self.identity,
            self.application,
            self.anonymous,
            self.mode,
            self.policy,
            self.streams,
            self.shutdown,
            self.extra,
        );
        write("streamgate.yaml", text.as_bytes());
        Gateway::run(folder, address, control, if self.tls { "https" } else { "http" }).await
    }
}

impl Gateway {
    /// Runs the program with the configuration in this folder, and waits until it is ready.
    pub(crate) async fn run(
        folder: Arc<tempfile::TempDir>,
        address: SocketAddr,
        control: SocketAddr,
        scheme: &'static str,
    ) -> Self {
        let mut gateway = Self::begin(folder, address, control, scheme);
        gateway.ready().await;
        gateway
    }

    /// The same without waiting.
    pub(crate) fn begin(
        folder: Arc<tempfile::TempDir>,
        address: SocketAddr,
        control: SocketAddr,
        scheme: &'static str,
    ) -> Self {
        let configuration = folder.path().join("streamgate.yaml").display().to_string();
        Self::command(&["run", "--config", &configuration], folder, address, control, scheme)
    }

    /// Starts a command that serves.
    pub(crate) fn command(
        arguments: &[&str],
        folder: Arc<tempfile::TempDir>,
        address: SocketAddr,
        control: SocketAddr,
        scheme: &'static str,
    ) -> Self {
        let [log, said] = ["log", "out"].map(|name| std::fs::File::create(folder.path().join(name)).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_streamgate"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(log)
            .spawn()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        Self { child, address, control, folder, client, scheme }
    }

    pub(crate) async fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}:\n{}", self.log());
            }
            let answer = self.client.get(format!("http://{}/readyz", self.control)).send().await;
            let listens = tokio::net::TcpStream::connect(self.address).await.is_ok();
            if listens && answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(Instant::now() < deadline, "the gateway did not become ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        match self.client.get(self.url(path)).send().await {
            Ok(answer) => Answer::of(answer).await,
            // The connection ends without an answer: only the gateway knows why.
            Err(error) => panic!("{error:?}\n{}", self.log()),
        }
    }

    /// Asks for an entry manifest on a device of alice's.
    pub(crate) async fn enter(&self, path: &str, device: &str) -> Answer {
        self.get(&format!("{path}?token={}", token("alice", device))).await
    }

    /// The sum of a metric over all its series whose labels contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> i64 {
        let text =
            self.client.get(format!("http://{}/metrics", self.control)).send().await.unwrap().text().await.unwrap();
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
        });
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
    }

    /// Waits until a metric has reached a number and checks that it is not more. Requests are counted after their answer.
    pub(crate) async fn counts(&self, name: &str, labels: &str, number: i64) {
        until(&format!("{name} {labels} is {number}"), async || self.metric(name, labels).await >= number).await;
        assert_eq!(self.metric(name, labels).await, number, "{name} {labels}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended().await
    }

    /// Ends the program as a crash would.
    pub(crate) async fn crash(mut self) -> Option<i32> {
        self.signal("KILL");
        self.ended().await
    }

    /// Waits for the end. Returns the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the gateway does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) version: reqwest::Version,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, version) = (response.status().as_u16(), response.version());
        let headers = response.headers().clone();
        Self { status, headers, body: response.bytes().await.unwrap(), version }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document, which must be one.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem
    }

    /// The last part of the problem's type.
    pub(crate) fn problem_type(&self) -> String {
        self.problem()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    /// The play session's prefix in a manifest, without a slash at its end.
    pub(crate) fn prefix(&self) -> String {
        let text = self.text();
        let start = text.find("/~s/").unwrap_or_else(|| panic!("no play session in {text}"));
        let length = text[start + 4..].find('/').unwrap();
        text[start..start + 4 + length].to_owned()
    }
}

// ------------------------------------------------------------------------------------------------------------------ tokens

/// A token of a device of an account, valid for an hour.
pub(crate) fn token(subject: &str, device: &str) -> String {
    sign("HS256", &json!({ "sub": subject, "device": device, "exp": now() + 3600 }), SECRET)
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Signs claims with HMAC-SHA-256, whatever the header says.
pub(crate) fn sign(algorithm: &str, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&json!({ "alg": algorithm, "typ": "JWT" })), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

// ------------------------------------------------------------------------------------------------------------------ origin

pub(crate) type Body = BoxBody<Bytes, std::convert::Infallible>;
type Asked = Request<hyper::body::Incoming>;

/// An HTTP server that answers as the test wants and remembers what it was asked.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

/// One request that reached an origin.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    fn of(request: &Asked) -> Self {
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        Self { method: request.method().to_string(), target: request.uri().to_string(), headers: headers.collect() }
    }
}

impl Origin {
    /// Answers each request with what `answer` makes of it.
    pub(crate) async fn new<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::on(listener, answer)
    }

    pub(crate) fn on<F>(listener: TcpListener, answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::accepting(listener, None, answer)
    }

    /// The same behind TLS.
    pub(crate) async fn tls<F>(
        config: rustls::ServerConfig,
        answer: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::accepting(listener, Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))), answer)
    }

    fn accepting<F>(
        listener: TcpListener,
        tls: Option<tokio_rustls::TlsAcceptor>,
        answer: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let remembers = seen.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (answer, seen, tls) = (answer.clone(), remembers.clone(), tls.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request: Asked| {
                        seen.lock().unwrap().push(Seen::of(&request));
                        let answering = answer(request);
                        async move { Ok::<_, std::convert::Infallible>(answering.await) }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    let _ = match tls {
                        None => server.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()), // the test looks at what the client makes of it
                        },
                    };
                });
            }
        });
        Self { address, seen, task }
    }

    /// The usual origin: a multivariant playlist, a live media playlist, segments, an MPD; 404 for the rest.
    pub(crate) async fn usual() -> Self {
        Self::new(|request| async move { usual(request.uri().path()) }).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().last().expect("the origin was asked nothing").clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) const MASTER: &str = "#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nlow.m3u8\r\n#EXT-X-UNKNOWN:stays\r\n";
pub(crate) const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXTINF:2,\n/rooted/b.ts";

/// The usual answers by path.
pub(crate) fn usual(path: &str) -> Response<Body> {
    let hls = "application/vnd.apple.mpegurl";
    match path {
        _ if path.ends_with("master.m3u8") => answer(200, hls, MASTER),
        _ if path.ends_with(".m3u8") => answer(200, hls, MEDIA),
        _ if path.ends_with(".mpd") => answer(
            200,
            "application/dash+xml",
            "<?xml version=\"1.0\"?>\n<MPD type=\"static\"><Period><AdaptationSet><SegmentTemplate media=\"s$Number$.m4s\" \
             duration=\"2\"/></AdaptationSet></Period></MPD>",
        ),
        _ if path.ends_with(".ts") || path.ends_with(".m4s") => answer(200, "video/mp2t", "0123456789"),
        _ => answer(404, "text/plain", "no such thing"),
    }
}

pub(crate) fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("etag", "\"origin\"")
        .body(Full::new(body.into()).boxed())
        .unwrap()
}

/// A body that is sent piece by piece, as the sender's other end gives them.
pub(crate) fn piecewise() -> (http_body_util::channel::Sender<Bytes, std::convert::Infallible>, Body) {
    let (sender, body) = http_body_util::channel::Channel::new(1);
    (sender, body.boxed())
}

/// Sends bytes on a fresh connection and reads until the other side closes it or `enough` says so.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // The other side may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while !enough(&read) {
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("neither an answer nor an end") {
            Ok(0) | Err(_) => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
    read
}

/// Sends requests one after the other on one connection, each when the one before has been answered in full, and returns
/// the answers.
pub(crate) async fn in_turn(address: SocketAddr, requests: &[String]) -> Vec<String> {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    let mut stream = BufReader::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let mut answers = Vec::new();
    for request in requests {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut head, mut length, mut chunked) = (String::new(), 0, false);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut head)).await.expect("an answer").unwrap();
            assert!(read > 0, "the connection was closed after {head}");
            let line = head[start..].to_ascii_lowercase();
            chunked |= line.starts_with("transfer-encoding: chunked");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        while chunked {
            let mut size = String::new();
            stream.read_line(&mut size).await.unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            stream.read_exact(&mut vec![0; size + 2]).await.unwrap();
            chunked = size > 0;
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        answers.push(head);
    }
    answers
}

/// Runs the program and returns exit code, standard output and standard error.
pub(crate) fn command(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let program = [env!("CARGO_BIN_EXE_streamgate")];
    run(&program.iter().chain(arguments).copied().collect::<Vec<_>>(), folder)
}

/// The same with any program in front, such as one that sets limits.
pub(crate) fn run(words: &[&str], folder: &Path) -> (i32, String, String) {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap_or(-1), out, err)
}

/// The project's folder.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
