//! Cost of a response of the control port: CPU time per request for `/authz` of a segment of an admitted stream, for a
//! heartbeat of the session API, and for a bare handler of the same framework.
//!
//! All get the same requests from the same client, alternating by round, so that changes in the machine's speed affect
//! all of them. Quote the ratios.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot measure has nothing else to say")]

#[path = "control/heartbeat.rs"]
mod heartbeat;
#[allow(dead_code, reason = "the comparison of proxies uses the rest")]
#[path = "proxy/load.rs"]
mod load;
#[allow(dead_code, reason = "the comparison of proxies uses the rest")]
#[path = "proxy/process.rs"]
mod process;

use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, post};
use process::Proxy;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const REQUESTS: usize = 20_000;
const ROUNDS: usize = 7;
const CONNECTIONS: usize = 16;

/// What is measured: a server, and the request that it gets.
struct Subject {
    server: Proxy,
    request: String,
    /// The place of the bare handler that gets the same request.
    bare: usize,
}

impl Subject {
    fn ask(&self, requests: usize) {
        load::ask(self.server.address, &self.request, 0, requests, CONNECTIONS);
    }

    /// Microseconds of CPU time per request.
    fn cost(&self) -> f64 {
        let before = self.server.cpu_nanos();
        self.ask(REQUESTS);
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of seconds")]
        let (spent, requests) = ((self.server.cpu_nanos() - before) as f64, REQUESTS as f64);
        spent / requests / 1000.0
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--bare", address] => return bare(address.parse().unwrap()),
        // `cargo test` asks every target for its tests; there are none here.
        ["--list" | "--test", ..] => return,
        _ => {}
    }
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let bare = |name, address: SocketAddr| {
        Proxy::start(name, address, Command::new(&this).args(["--bare", &address.to_string()]))
    };
    let mut subjects = Vec::new();
    for (name, access) in [("/authz", false), ("/authz, access log", true)] {
        let (server, token) = Proxy::control(name, folder.path(), access);
        load::ask(server.address, &authz("/film/index.m3u8", &token), 0, 1, 1);
        subjects.push(Subject { server, request: authz("/film/720p/1.ts", &token), bare: 0 });
    }
    let (server, request) = heartbeat::control(folder.path());
    subjects.push(Subject { server, request, bare: 1 });
    for (at, name) in ["bare handler, /authz", "bare handler, heartbeat"].into_iter().enumerate() {
        let asks_the_same = subjects.iter().skip(at).find(|subject| subject.bare == at);
        let request = asks_the_same.map(|subject| subject.request.clone()).unwrap_or_default();
        subjects.insert(at, Subject { server: bare(name, free_address()), request, bare: at });
    }

    println!(
        "CPU time (user and system) of the process per request; one worker thread, {CONNECTIONS} kept connections,"
    );
    println!("median of {ROUNDS} rounds.");
    println!("Ratio: to the bare handler in the same round; median, and the range over the rounds.\n");
    println!("{:<28} {:>12}   {:>6}  {:>13}", "answer", "µs/request", "ratio", "range");
    measure(&subjects);
}

/// A request as nginx sends it.
fn authz(uri: &str, token: &str) -> String {
    format!(
        "GET /authz HTTP/1.1\r\nHost: streamgate\r\nX-Original-URI: {uri}\r\nX-Original-Method: GET\r\n\
         X-Original-Host: tv.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 203.0.113.9\r\nUser-Agent: bench\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )
}

fn measure(subjects: &[Subject]) {
    for subject in subjects {
        subject.ask(REQUESTS / 4); // connections, caches, allocator
    }
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| subjects.iter().map(Subject::cost).collect()).collect();
    for (at, subject) in subjects.iter().enumerate() {
        let costs = sorted(rounds.iter().map(|round| round[at]));
        let ratios = sorted(rounds.iter().map(|round| round[at] / round[subject.bare]));
        let (least, most) = (ratios[0], ratios[ROUNDS - 1]);
        println!(
            "{:<28} {:>12.1}   {:>6.2}  {least:>5.2} – {most:<5.2}",
            subject.server.name,
            costs[ROUNDS / 2],
            ratios[ROUNDS / 2]
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Answers `/authz` with 200 and heartbeats with 202, and nothing else, until it is ended.
fn bare(address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let handler = any(|| async { StatusCode::OK });
        let heartbeat = post(|| async { StatusCode::ACCEPTED });
        let router = Router::new().route("/authz", handler).route("/v2/sessions/{idp}/{subject}/{session}", heartbeat);
        axum::serve(listener, router).await.unwrap();
    });
}

/// A free port.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
