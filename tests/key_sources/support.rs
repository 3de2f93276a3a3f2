//! Servers that do as they are told, a clock that is moved by hand, and an observer that can be waited for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use streamgate::identity::{CallbackSource, KeySource};
use streamgate::key_sources::{KeySourceSettings, KeySources, Observer, Pace};
use streamgate::model::{Clock, Millis};
use streamgate::net::HttpClientError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The time at which tests begin.
pub(super) const START: Millis = Millis(1_800_000_000_000);
/// Longer than anything here takes: a test that waits for this has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that stands still until it is moved.
pub(super) struct Hand(AtomicU64);

impl Hand {
    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Millis {
        Millis(self.0.load(SeqCst))
    }
}

struct Told(mpsc::UnboundedSender<(String, &'static str)>);

impl Observer for Told {
    fn keys_fetched(&self, source: &str, result: &'static str) {
        let _ = self.0.send((source.to_owned(), result));
    }

    fn callback(&self, service: &str, result: &'static str) {
        let _ = self.0.send((service.to_owned(), result));
    }
}

/// A [`KeySources`] that is kept fresh, and what it tells.
pub(super) struct House {
    pub(super) key_sources: Arc<KeySources>,
    pub(super) clock: Arc<Hand>,
    told: mpsc::UnboundedReceiver<(String, &'static str)>,
    shutdown: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// Nothing to keep fresh, at a pace at which nothing happens by itself except further attempts after a failure.
pub(super) fn settings() -> (KeySourceSettings, Arc<Hand>, mpsc::UnboundedReceiver<(String, &'static str)>) {
    let clock = Arc::new(Hand(AtomicU64::new(START.0)));
    let (sender, told) = mpsc::unbounded_channel();
    let settings = KeySourceSettings {
        key_sources: Vec::new(),
        key_files: Vec::new(),
        callbacks: Vec::new(),
        blocks_file: None,
        ca_file: None,
        clock: clock.clone(),
        observer: Arc::new(Told(sender)),
        pace: Pace { files: Duration::from_hours(1), retry: Duration::from_millis(5), ..Pace::default() },
    };
    (settings, clock, told)
}

impl House {
    /// Runs with what `change` makes of the usual settings.
    pub(super) fn run(change: impl FnOnce(&mut KeySourceSettings)) -> Self {
        Self::build(change, KeySources::new)
    }

    /// Runs in the place of this one, which goes on until it is told to end.
    pub(super) fn followed(&self, change: impl FnOnce(&mut KeySourceSettings)) -> Self {
        Self::build(change, |settings| KeySources::following(settings, &self.key_sources))
    }

    fn build(
        change: impl FnOnce(&mut KeySourceSettings),
        key_sources: impl FnOnce(KeySourceSettings) -> Result<Arc<KeySources>, HttpClientError>,
    ) -> Self {
        let (mut settings, clock, told) = settings();
        change(&mut settings);
        let key_sources = key_sources(settings).unwrap();
        let (shutdown, end) = oneshot::channel();
        let running = tokio::spawn({
            let key_sources = key_sources.clone();
            async move {
                key_sources
                    .run(async move {
                        let _ = end.await;
                    })
                    .await;
            }
        });
        Self { key_sources, clock, told, shutdown: Some(shutdown), running: Some(running) }
    }

    pub(super) fn with_keys(sources: Vec<KeySource>) -> Self {
        Self::run(|settings| settings.key_sources = sources)
    }

    pub(super) fn with_callback(source: &CallbackSource) -> Self {
        Self::run(|settings| settings.callbacks = vec![source.clone()])
    }

    /// The next thing that the observer is told.
    pub(super) async fn told(&mut self) -> &'static str {
        soon(self.told.recv()).await.unwrap().1
    }

    /// Waits until the observer is told this; everything before it is passed over.
    pub(super) async fn until(&mut self, result: &str) {
        while self.told().await != result {}
    }

    /// Tells it to end and waits for that.
    pub(super) async fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
        soon(self.running.take().unwrap()).await.unwrap();
    }
}

/// The result of something that must not take for ever.
pub(super) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what).await.expect("it took for ever")
}

/// What a server does with a request.
#[derive(Clone)]
pub(super) enum Manner {
    /// This status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Nothing, until the manner changes.
    Hang,
    /// Closes the connection instead of an answer.
    Reset,
    /// Half of a body, and then the end of the connection.
    Truncate(String),
    /// A body without an end. Counts the bytes that were taken.
    Flood(Arc<AtomicU64>),
}

impl Manner {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self::Answer(200, Vec::new(), body.into())
    }

    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) method: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Arrived {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A server on a port of its own.
pub(super) struct Server {
    pub(super) port: u16,
    manner: watch::Sender<Manner>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    count: watch::Sender<usize>,
    connections: Arc<AtomicU64>,
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        Self::start_with(manner, None).await
    }

    pub(super) async fn start_with(manner: Manner, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = watch::Sender::new(manner);
        let (arrived, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let count = watch::Sender::new(0);
        let server = Self { port, manner, arrived, count, connections };
        let (manner, arrived, count) = (server.manner.clone(), server.arrived.clone(), server.count.clone());
        let connections = server.connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                let (manner, arrived, count) = (manner.clone(), arrived.clone(), count.clone());
                match &tls {
                    None => drop(tokio::spawn(serve(stream, manner, arrived, count))),
                    Some(tls) => {
                        let tls = tls.clone();
                        tokio::spawn(async move {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manner, arrived, count).await;
                            }
                        });
                    }
                }
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// From now on it does this, also with requests that hang.
    pub(super) fn now(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }

    pub(super) fn last(&self) -> Arrived {
        self.arrived.lock().unwrap().last().unwrap().clone()
    }

    /// Waits until this many requests have arrived.
    pub(super) async fn arrived(&self, count: usize) {
        soon(self.count.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    manner: watch::Sender<Manner>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    count: watch::Sender<usize>,
) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (mut manner, arrived, count) = (manner.subscribe(), arrived.clone(), count.clone());
        async move {
            let method = request.method().to_string();
            let query = parameters(request.uri().query().unwrap_or_default());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            arrived.lock().unwrap().push(Arrived { method, query, body });
            count.send_modify(|count| *count += 1);
            let manner = manner.wait_for(|manner| !matches!(manner, Manner::Hang)).await.map(|manner| manner.clone());
            manner.ok().and_then(answer).ok_or("as told")
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

fn answer(manner: Manner) -> Option<Response<Body>> {
    let full = |body: Vec<u8>| Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed();
    match manner {
        Manner::Answer(status, headers, body) => {
            let response = headers
                .into_iter()
                .fold(Response::builder().status(status), |response, (name, value)| response.header(name, value));
            Some(response.body(full(body.into_bytes())).unwrap())
        }
        Manner::Hang | Manner::Reset => None,
        Manner::Flood(taken) => {
            let (mut sender, channel) = Channel::<Bytes, Box<dyn std::error::Error + Send + Sync>>::new(1);
            tokio::spawn(async move {
                while sender.send_data(Bytes::from_static(&[b' '; 1 << 13])).await.is_ok() {
                    taken.fetch_add(1 << 13, SeqCst);
                }
            });
            Some(Response::new(channel.boxed()))
        }
        Manner::Truncate(body) => {
            let (mut sender, channel) = Channel::<Bytes, Box<dyn std::error::Error + Send + Sync>>::new(2);
            tokio::spawn(async move {
                let half = body.into_bytes();
                let _ = sender.send_data(Bytes::copy_from_slice(&half[..half.len() / 2])).await;
                sender.abort("as told".into());
            });
            Some(Response::new(channel.boxed()))
        }
    }
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
