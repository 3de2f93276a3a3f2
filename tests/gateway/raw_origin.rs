//! An origin that speaks HTTP/1.1 by hand and keeps each byte that it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the origin does once it has a request.
pub(super) type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// The origin.
pub(super) struct RawOrigin {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl RawOrigin {
    /// Answers every request with `ok`.
    pub(super) async fn new() -> Self {
        Self::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()).await
    }

    /// Answers each request as `answer` makes of its head, when its body has come as well.
    pub(super) async fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (kept, answer): (_, Answer) = (received.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(serve(stream, kept.clone(), answer.clone()));
            }
        });
        Self { address, received, task }
    }

    /// What has come, in the order in which it came. The gateway chooses the connections.
    pub(super) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    /// Forgets what has come so far.
    pub(super) fn forget(&self) {
        self.received.lock().unwrap().clear();
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<u8>>>, answer: Answer) {
    let mut pending = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        while let Some(length) = whole(&pending) {
            let request: Vec<u8> = pending.drain(..length).collect();
            let bytes = answer(&String::from_utf8_lossy(&request));
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
                pending.extend_from_slice(&buffer[..count]);
            }
        }
    }
}

/// Bytes of the first request, if it is here in full.
fn whole(bytes: &[u8]) -> Option<usize> {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if text.contains("transfer-encoding: chunked") {
        let body = &bytes[head..];
        if body.starts_with(b"0\r\n\r\n") {
            return Some(head + 5);
        }
        return find(body, b"\r\n0\r\n\r\n").map(|at| head + at + 7);
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
