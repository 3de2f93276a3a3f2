//! The origin and the client of the comparison.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1000.ts\n#EXT-X-ENDLIST\n";

/// Serves `/o/BYTES.ts`, and a playlist under any other name, until it is ended.
pub(crate) fn origin(address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let zeros = Bytes::from(vec![0; 1_000_000]);
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = stream.set_nodelay(true);
            let zeros = zeros.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let name = request.uri().path().strip_prefix("/o/").and_then(|name| name.strip_suffix(".ts"));
                    let body = match name.and_then(|bytes| bytes.parse::<usize>().ok()) {
                        Some(bytes) => zeros.slice(..bytes.min(zeros.len())),
                        None => Bytes::from_static(PLAYLIST.as_bytes()),
                    };
                    let kind = if name.is_some() { "video/mp2t" } else { "application/vnd.apple.mpegurl" };
                    let response = Response::builder().header("content-type", kind).body(Full::new(body));
                    async move { response }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

/// Requests `path` repeatedly over kept connections, and checks status and length of each response.
pub(crate) fn run(address: SocketAddr, path: &str, bytes: usize, requests: usize, connections: usize) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n\r\n");
    ask(address, &request, bytes, requests, connections);
}

/// The same with a raw request.
pub(crate) fn ask(address: SocketAddr, request: &str, bytes: usize, requests: usize, connections: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let left = Arc::new(AtomicUsize::new(requests));
        let request: Arc<str> = request.into();
        let clients: Vec<_> =
            (0..connections).map(|_| tokio::spawn(client(address, request.clone(), bytes, left.clone()))).collect();
        for client in clients {
            client.await.unwrap();
        }
    });
}

async fn client(address: SocketAddr, request: Arc<str>, bytes: usize, left: Arc<AtomicUsize>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut read, mut head) = (0, None);
        while head.is_none_or(|head| read < head + bytes) {
            let at = if head.is_some() { 0 } else { read };
            let count = stream.read(&mut buffer[at..]).await.unwrap();
            assert!(count > 0, "the connection was closed after {read} bytes");
            read += count;
            if head.is_none() {
                head = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
                if let Some(head) = head {
                    let text = String::from_utf8_lossy(&buffer[..head]);
                    assert!(text.starts_with("HTTP/1.1 20"), "{text}");
                }
            }
        }
        assert_eq!(Some(read), head.map(|head| head + bytes), "an answer of another length");
    }
}
