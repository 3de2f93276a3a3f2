//! What one viewer who does not take what it asked for makes the gateway hold.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::http2::{Http2, tls};
use super::support::{Gateway, PATIENCE, Setup};
use super::tls::certificate;

/// Readers at the same time: enough that what they cost stands out from all else.
const READERS: usize = 150;
/// KiB that each of them may cost.
const MAX_KIB: usize = 160;
/// Bytes of the segment; nobody takes it all.
const SEGMENT: usize = 64 << 20;

/// An origin that sends a long segment to whoever asks, and tells how much of it has gone.
struct Endless {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Endless {
    async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let counted = sent.clone();
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(send(stream, counted.clone()));
            }
        });
        Self { address, sent, task }
    }

    /// Waits until nothing more of it is taken.
    async fn stuck(&self) {
        let (mut before, mut same) = (0, 0);
        let quiet = async {
            while same < 5 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let now = self.sent.load(Relaxed);
                same = if now == before && now > 0 { same + 1 } else { 0 };
                before = now;
            }
        };
        tokio::time::timeout(PATIENCE, quiet).await.expect("it goes on and on");
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(mut stream: TcpStream, sent: Arc<AtomicU64>) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {SEGMENT}\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let piece = vec![7; 64 << 10];
    for _ in 0..SEGMENT / piece.len() {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
        sent.fetch_add(piece.len() as u64, Relaxed);
    }
}

/// KiB of memory that a process holds.
fn resident(gateway: &Gateway) -> usize {
    let pages = std::fs::read_to_string(format!("/proc/{}/statm", gateway.child.id())).unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
}

async fn gateway(origin: &Endless, is_tls: bool) -> Gateway {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (certificate, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    let setup = Setup { tls: is_tls, anonymous: "pass", origins: vec![origin.address], ..Setup::default() };
    setup.start_in(folder).await
}

/// A connection that takes little at a time.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

fn each(before: usize, after: usize) -> usize {
    after.saturating_sub(before) / READERS
}

/// What each of [`READERS`] costs who asks on a connection that `connect` makes and takes no more than the beginning. Some do so
/// before: what the first ones cost once and for all is not theirs.
async fn cost<S: AsyncRead + AsyncWrite + Unpin, F: Future<Output = S>>(
    origin: &Endless,
    gateway: &Gateway,
    connect: impl Fn() -> F,
) -> usize {
    let mut readers = Vec::new();
    let mut before = 0;
    for count in [READERS / 3, READERS] {
        before = resident(gateway);
        for _ in 0..count {
            let mut reader = connect().await;
            reader.write_all(b"GET /long.html HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut first = [0; 64];
            reader.read_exact(&mut first).await.unwrap();
            assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n"));
            readers.push(reader);
        }
        origin.stuck().await;
    }
    let cost = each(before, resident(gateway));
    drop(readers);
    cost
}

#[tokio::test]
async fn a_reader_who_takes_nothing_costs_little() {
    let origin = Endless::new().await;
    let gateway = gateway(&origin, false).await;
    let cost = cost(&origin, &gateway, || narrow(gateway.address)).await;
    println!("{cost} KiB for each slow reader");
    assert!(cost <= MAX_KIB, "{cost} KiB for each slow reader");
}

#[tokio::test]
async fn a_reader_who_takes_nothing_costs_little_over_tls() {
    let origin = Endless::new().await;
    let gateway = gateway(&origin, true).await;
    let cost = cost(&origin, &gateway, || tls(gateway.address, "http/1.1")).await;
    println!("{cost} KiB for each slow reader over TLS");
    assert!(cost <= MAX_KIB, "{cost} KiB for each slow reader over TLS");
}

#[tokio::test]
async fn a_stream_of_http_2_with_a_closed_window_costs_little() {
    for window in [0, 1] {
        let origin = Endless::new().await;
        let gateway = gateway(&origin, true).await;
        let (mut clients, mut answers) = (Vec::new(), Vec::new());
        let mut before = 0;
        // Some do so before: what the first ones cost once and for all is not theirs.
        for count in [READERS / 3, READERS] {
            before = resident(&gateway);
            for _ in 0..count.div_ceil(50) {
                let mut builder = h2::client::Builder::new();
                builder.initial_window_size(window);
                let mut client = Http2::with(gateway.address, &builder).await;
                for _ in 0..50 {
                    let request = Request::get("https://tv.example/long.html").body(()).unwrap();
                    let answer = client.begin(request, &[]).await.unwrap();
                    answers.push(tokio::time::timeout(PATIENCE, answer).await.expect("no answer").unwrap());
                }
                clients.push(client);
            }
            origin.stuck().await;
        }
        assert!(answers.iter().all(|answer| answer.status() == 200));
        let cost = each(before, resident(&gateway));
        println!("{cost} KiB for each stream with a window of {window}");
        assert!(cost <= MAX_KIB, "{cost} KiB for each stream with a window of {window}");
    }
}
