//! What goes on while configurations change, and what follows them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::program::{Answer, Origin, SECRET, in_turn, piecewise, token, until, usual};
use super::support::{Config, Program, servers};

const OTHER_SESSION: &[u8] = b"the secret of a second key for play sessions, long enough";

#[tokio::test]
async fn a_download_that_has_begun_is_finished_though_its_route_and_origin_are_gone() {
    let (send, body) = piecewise();
    let body = Mutex::new(Some(body));
    let films = Origin::new(move |request| {
        let long = request.uri().path().ends_with("long.ts").then(|| body.lock().unwrap().take().unwrap());
        let usual = usual(request.uri().path());
        async move { long.map_or(usual, Response::new) }
    })
    .await;
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let origins = vec![("main", servers(&origin)), ("films", servers(&films))];
    let routes = vec![("/news", "main"), ("/film", "films")];
    let program = Config { origins, routes, ..config.clone() }.start().await;
    let prefix = program.enter("/film/master.m3u8", "tv").await.prefix();
    let mut send = send;
    let (mut long, ()) = tokio::join!(
        async { program.client.get(program.url(&format!("{prefix}/film/long.ts"))).send().await.unwrap() },
        async { send.send_data(Bytes::from_static(b"first ")).await.unwrap() },
    );
    assert_eq!(long.chunk().await.unwrap().unwrap(), "first ");

    program.reload(&Config { routes: vec![("/news", "main")], ..config }, 2).await;
    assert_eq!(program.enter("/film/master.m3u8", "phone").await.problem_type(), "no-route");
    until("the origin's servers are no longer told", async || {
        program.metric("streamgate_origin_servers", "films").await == 0
            && program.metric("streamgate_origin_servers", "healthy").await == 1
    })
    .await;
    send.send_data(Bytes::from_static(b"and last")).await.unwrap();
    drop(send);
    assert_eq!(long.chunk().await.unwrap().unwrap(), "and last");
    assert_eq!(long.chunk().await.unwrap(), None, "whole");
}

#[tokio::test]
async fn an_origin_that_stays_keeps_what_is_known_of_its_servers() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let dead = format!("\"127.0.0.1:{}\"", super::program::free_port());
    let both = format!("servers: [{dead}, \"{}\"]", origin.address);
    let config = Config { origins: vec![("main", both.clone())], ..config };
    let program = config.start().await;
    for nth in 0..6 {
        assert_eq!(program.enter(&format!("/{nth}/master.m3u8"), "tv").await.status, 200);
    }
    let failures = program.metric("streamgate_origin_failures_total", "connect").await;
    assert!(failures >= 2, "the dead one is out of use");
    program.reload(&Config { limit: 3, ..config.clone() }, 2).await;
    let slower = format!("{both}, read_timeout: 29s");
    program.reload(&Config { origins: vec![("main", slower)], limit: 3, ..config }, 3).await;
    for nth in 0..6 {
        assert_eq!(program.enter(&format!("/{nth}/master.m3u8"), "tv").await.status, 200);
    }
    assert_eq!(program.metric("streamgate_origin_failures_total", "connect").await, failures, "and stays so");
}

#[tokio::test]
async fn a_name_that_is_new_is_resolved_before_its_first_request() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    let named = format!("servers: [\"localhost:{}\"]", origin.address.port());
    program.reload(&Config { origins: vec![("named", named)], routes: vec![("/", "named")], ..config }, 2).await;
    assert_eq!(program.enter("/news/master.m3u8", "tv").await.status, 200);
}

#[tokio::test]
async fn play_sessions_survive_a_new_key_in_front_and_a_stream_that_plays_the_end_of_its_key() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start_with(&[("session2.key", OTHER_SESSION)]).await;
    let prefix = program.enter("/news/master.m3u8", "tv").await.prefix();
    let id = |prefix: &str| prefix[4..6].to_owned();
    let both = "{ id: 2, secret: { file: session2.key } }, { id: 1, secret: { file: session.key } }";
    program.reload(&Config { sessions: both, ..config.clone() }, 2).await;
    let segment = format!("{prefix}/news/a.ts");
    let alone = async |path: &str| in_turn(program.address, &[get(path, "close")]).await.remove(0);
    assert!(alone(&segment).await.starts_with("HTTP/1.1 200"), "on a connection of its own");
    assert_eq!(program.metric("streamgate_streams", "").await, 1, "the same stream");
    let fresh = program.enter("/film/master.m3u8", "phone").await.prefix();
    assert_ne!(id(&fresh), id(&prefix), "the key in front seals");

    // One client on one connection, before the old key goes and after.
    let client = reqwest::Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let kept = async |path: &str| Answer::of(client.get(program.url(path)).send().await.unwrap()).await;
    assert_eq!(kept(&segment).await.status, 200);
    program.reload(&Config { sessions: "{ id: 2, secret: { file: session2.key } }", ..config }, 3).await;
    assert_eq!(kept(&segment).await.status, 200, "a stream that plays goes on with its connection");
    assert!(alone(&segment).await.starts_with("HTTP/1.1 403"), "another connection has nothing to prove it with");
    program.counts("streamgate_play_session_errors_total", "unknown_key", 1).await;
    assert_eq!(program.get(&format!("{fresh}/film/a.ts")).await.status, 200);
}

fn get(path: &str, connection: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: tv.example\r\nconnection: {connection}\r\n\r\n")
}

#[tokio::test]
async fn limits_follow() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    let extra = "limits: { connections: 2, header_bytes: 4KiB, requests_per_connection: 1 }\n".into();
    program.reload(&Config { extra, ..config }, 2).await;
    let long = format!("/{}.html", "x".repeat(5000));
    assert_eq!(program.get(&long).await.status, 431);
    let answers = in_turn(program.address, &[get("/a.html", "keep-alive"), get("/b.html", "keep-alive")]).await;
    assert!(answers[1].to_ascii_lowercase().contains("connection: close"), "{answers:?}");
    until("no connection is open", async || {
        drop(reqwest::get(program.url("/a.html")).await);
        program.metric("streamgate_connections", "").await <= 1
    })
    .await;
    let before = program.metric("streamgate_connections_refused_total", "too_many").await;
    let held: Vec<_> = vec![
        tokio::net::TcpStream::connect(program.address).await.unwrap(),
        tokio::net::TcpStream::connect(program.address).await.unwrap(),
        tokio::net::TcpStream::connect(program.address).await.unwrap(),
    ];
    until("one is too many", async || {
        program.metric("streamgate_connections_refused_total", "too_many").await > before
    })
    .await;
    drop(held);
}

#[tokio::test]
async fn a_listener_serves_the_certificate_under_its_new_name() {
    let origin = Origin::usual().await;
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (one, two) = (made("one.example"), made("two.example"));
    let pem = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| (made.cert.pem(), made.signing_key.serialize_pem());
    let ((one, one_key), (two, two_key)) = (pem(&one), pem(&two));
    let files = [("1.crt", &one), ("1.key", &one_key), ("2.crt", &two), ("2.key", &two_key)];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let tls = |certificate, key| Config {
        listener: match (certificate, key) {
            (1, 1) => "    tls: { certificate: 1.crt, key: 1.key }\n",
            (2, 2) => "    tls: { certificate: 2.crt, key: 2.key }\n",
            _ => "    tls: { certificate: 2.crt, key: 1.key }\n",
        },
        ..Config::before(&origin)
    };
    let program = tls(1, 1).start_with(&files).await;
    let served = async || {
        let client = reqwest::Client::builder().tls_info(true).danger_accept_invalid_certs(true).build().unwrap();
        let response = client.get(program.url("/page.html")).send().await.unwrap();
        response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
    };
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    assert_eq!(served().await, der(&one));
    program.replace(&tls(2, 1));
    program.reloads("refused", 1).await;
    program.says("does not belong to").await;
    assert_eq!(served().await, der(&one));
    program.replace(&tls(2, 2));
    until("it is in force", async || program.metric("streamgate_config_revision", "").await == 2).await;
    until("the other is served", async || served().await == der(&two)).await;
    assert!(!program.log().contains("next start"));
}

/// Viewers who watch for as long as it is told to go on.
struct Watching {
    goes_on: AtomicBool,
    answers: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Watching {
    /// One viewer: starts, and asks for segments and playlists in turn, on kept connections and on fresh ones.
    async fn viewer(&self, program: &Program, device: &str) {
        let mut prefix = String::new();
        for nth in 0_u32.. {
            if !self.goes_on.load(SeqCst) {
                return;
            }
            let client = if nth.is_multiple_of(5) { reqwest::Client::new() } else { program.client.clone() };
            let path = match nth % 10 {
                0 => format!("/news/master.m3u8?token={}", token("alice", device)),
                1 => format!("{prefix}/news/low.m3u8"),
                _ => format!("{prefix}/news/a.ts"),
            };
            match client.get(program.url(&path)).send().await {
                Ok(response) => {
                    let answer = Answer::of(response).await;
                    if answer.status == 200 {
                        self.answers.fetch_add(1, SeqCst);
                    } else {
                        self.failures.lock().unwrap().push(format!("{path}: {} {}", answer.status, answer.text()));
                    }
                    if nth.is_multiple_of(10) && answer.status == 200 {
                        prefix = answer.prefix();
                    }
                }
                Err(error) => self.failures.lock().unwrap().push(format!("{path}: {error:?}")),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_configurations_pass_under_way_and_no_request_fails() {
    const RELOADS: u64 = 50;
    let (one, two) = (Origin::usual().await, Origin::usual().await);
    let config = Config { limit: 4, ..Config::before(&one) };
    let program = config.start_with(&[("other.hs256", SECRET), ("session2.key", OTHER_SESSION)]).await;
    let watching =
        Watching { goes_on: AtomicBool::new(true), answers: AtomicU64::new(0), failures: Mutex::new(Vec::new()) };
    let reloading = async {
        let mut open = 0;
        for nth in 0..RELOADS {
            let odd = nth % 2 == 1;
            let sessions = if odd {
                "{ id: 1, secret: { file: session.key } }, { id: 2, secret: { file: session2.key } }"
            } else {
                "{ id: 2, secret: { file: session2.key } }, { id: 1, secret: { file: session.key } }"
            };
            let next = Config {
                origins: vec![("main", servers(if odd { &one } else { &two }))],
                token: super::support::keys(&[if odd { "tv.hs256" } else { "other.hs256" }]),
                limit: 4 + u32::try_from(nth % 3).unwrap(),
                sessions,
                ..config.clone()
            };
            let answers = watching.answers.load(SeqCst);
            program.reload(&next, nth + 2).await;
            until("requests were answered meanwhile", async || watching.answers.load(SeqCst) > answers + 20).await;
            if nth == 10 {
                open = descriptors(&program);
            }
        }
        watching.goes_on.store(false, SeqCst);
        open
    };
    let (open, ..) = tokio::join!(
        reloading,
        watching.viewer(&program, "tv"),
        watching.viewer(&program, "phone"),
        watching.viewer(&program, "tablet"),
    );
    let (answers, failures) = (watching.answers.load(SeqCst), watching.failures.into_inner().unwrap());
    println!("{answers} answers during {RELOADS} reloads, {} failures", failures.len());
    assert!(failures.is_empty(), "{} of {answers}: {failures:#?}", failures.len());
    assert!(answers > 20 * RELOADS);
    assert_eq!(program.metric("streamgate_streams", "").await, 3, "one for each viewer");
    until("nothing is left open", async || descriptors(&program) <= open + 10).await;
    tokio::time::timeout(Duration::from_secs(30), program.gateway.stop()).await.expect("it stops");
}

/// Files and connections that the program has open.
fn descriptors(program: &Program) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", program.child.id())).unwrap().count()
}
