//! Cost of a proxied request: CPU time per request for Streamgate, for a bare pass-through of the same framework, and
//! for HAProxy and nginx if installed.
//!
//! All proxies have the same origin and get the same requests from the same client, alternating by round, so that
//! changes in the machine's speed affect all of them. Quote the ratios.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot measure has nothing else to say")]

#[path = "proxy/load.rs"]
mod load;
#[path = "proxy/others.rs"]
mod others;
#[path = "proxy/passthrough.rs"]
mod passthrough;
#[allow(dead_code, reason = "the benchmark of the control port uses the rest")]
#[path = "proxy/process.rs"]
mod process;

use std::net::SocketAddr;

use process::Proxy;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Name and bytes of an object, and its requests per round.
const OBJECTS: [(&str, usize, usize); 3] =
    [("1 KB", 1_000, 12_000), ("100 KB", 100_000, 4_000), ("1 MB", 1_000_000, 600)];
const ROUNDS: usize = 7;
const CONNECTIONS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--origin", address] => return load::origin(address.parse().unwrap()),
        ["--passthrough", listen, origin] => passthrough::run(listen, origin.parse().unwrap()),
        // `cargo test` asks every target for its tests; there are none here.
        ["--list" | "--test", ..] => return,
        _ => {}
    }
    let folder = tempfile::tempdir().unwrap();
    let origin = Proxy::origin();
    let mut proxies = vec![Proxy::passthrough(origin.address), Proxy::streamgate(folder.path(), origin.address, false)];
    proxies.push(Proxy::streamgate(folder.path(), origin.address, true));
    proxies.extend(others::haproxy(folder.path(), origin.address));
    proxies.extend(others::nginx(folder.path(), origin.address));

    println!("CPU time (user and system) of the proxy per request; one worker thread, {CONNECTIONS} kept connections,");
    println!("median of {ROUNDS} rounds.");
    println!("Ratio: to the pass-through in the same round; median, and the range over the rounds.\n");
    println!("{:<8} {:<28} {:>12}   {:>6}  {:>13}", "object", "proxy", "µs/request", "ratio", "range");
    for (name, bytes, requests) in OBJECTS {
        measure(name, bytes, requests, &proxies);
    }
}

fn measure(name: &str, bytes: usize, requests: usize, proxies: &[Proxy]) {
    let paths: Vec<String> = proxies.iter().map(|proxy| proxy.path(&format!("/o/{bytes}.ts"))).collect();
    let run = |proxy: &Proxy, path: &str, requests: usize| -> f64 {
        let before = proxy.cpu_nanos();
        load::run(proxy.address, path, bytes, requests, CONNECTIONS);
        #[allow(clippy::cast_precision_loss)] // nanoseconds of seconds
        let spent = (proxy.cpu_nanos() - before) as f64;
        #[allow(clippy::cast_precision_loss)]
        let requests = requests as f64;
        spent / requests / 1000.0
    };
    for (proxy, path) in proxies.iter().zip(&paths) {
        run(proxy, path, requests / 4); // connections, caches, allocator
    }
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(proxies.iter().zip(&paths).map(|(proxy, path)| run(proxy, path, requests)).collect());
    }
    for (at, proxy) in proxies.iter().enumerate() {
        let costs = sorted(rounds.iter().map(|round| round[at]));
        let ratios = sorted(rounds.iter().map(|round| round[at] / round[0]));
        let (least, most) = (ratios[0], ratios[ROUNDS - 1]);
        println!(
            "{name:<8} {:<28} {:>12.1}   {:>6.2}  {least:>5.2} – {most:<5.2}",
            proxy.name,
            costs[ROUNDS / 2],
            ratios[ROUNDS / 2]
        );
    }
    println!();
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A free port.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
