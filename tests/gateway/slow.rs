//! Clients that take their time, at the door, with a header, with a body, and with taking an answer: on both ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http2::{Frame, Http2, tls};
use super::raw_origin::RawOrigin;
use super::support::{Gateway, Origin, PATIENCE, Setup, raw, until};
use super::tls::certificate;

const REFUSED: &str = "streamgate_connections_refused_total";
const CONTROL_REFUSED: &str = "streamgate_control_connections_refused_total";

async fn tls_gateway(setup: Setup) -> Gateway {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (certificate, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    Setup { tls: true, ..setup }.start_in(folder).await
}

/// Sends `first`, then a byte every now and then, until the other side closes. Returns what it said before.
async fn trickle<S: AsyncReadExt + AsyncWriteExt + Unpin>(mut stream: S, first: &[u8], byte: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    let slowly = async {
        stream.write_all(first).await.unwrap();
        loop {
            tokio::select! {
                _ = beat.tick() => if !byte.is_empty() && stream.write_all(byte).await.is_err() { return },
                read = stream.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(count) => said.extend_from_slice(&buffer[..count]),
                },
            }
        }
    };
    tokio::time::timeout(PATIENCE, slowly).await.expect("the connection is still open");
    said
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_is_cut_off_and_counted() {
    let origin = Origin::usual().await;
    let extra = "limits: { handshake_timeout: 1s }\n".into();
    let gateway = tls_gateway(Setup { extra, ..Setup::before(&[&origin]) }).await;
    // The beginning of a handshake record that is announced to be long.
    let hello: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for (nth, (first, byte)) in [(&b""[..], &b""[..]), (hello, b""), (hello, b"x")].into_iter().enumerate() {
        assert_eq!(trickle(connect(gateway.address).await, first, byte).await, b"");
        let slow = i64::try_from(nth).unwrap() + 1;
        gateway.counts(REFUSED, "reason=\"slow_handshake\"", slow).await;
    }
    // Whoever speaks no TLS at all is told so at once.
    let before = gateway.metric(REFUSED, "reason=\"failed_handshake\"").await;
    raw(gateway.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", |_| false).await;
    gateway.counts(REFUSED, "reason=\"failed_handshake\"", before + 1).await;
    until("all are closed", async || gateway.metric("streamgate_connections", "").await == 0).await;
}

#[tokio::test]
async fn the_first_words_of_http_2_have_the_same_deadline() {
    let origin = Origin::usual().await;
    let extra = "limits: { handshake_timeout: 1s }\n".into();
    let gateway = tls_gateway(Setup { extra, anonymous: "pass", ..Setup::before(&[&origin]) }).await;
    trickle(tls(gateway.address, "h2").await, b"PRI * HTTP/2.0\r\n", b"").await;
    gateway.counts(REFUSED, "reason=\"slow_handshake\"", 1).await;
    // A connection that has said them may take as long as connections are kept.
    let mut client = Http2::connect(gateway.address).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let request = Request::get("https://tv.example/page.html").body(()).unwrap();
    assert_eq!(client.ask(request, &[]).await.unwrap().status, 404, "the origin's answer");
    gateway.counts(REFUSED, "reason=\"slow_handshake\"", 1).await;
}

#[tokio::test]
async fn connections_count_before_their_handshake() {
    let origin = Origin::usual().await;
    let extra = "limits: { connections: 2 }\n".into();
    let gateway = tls_gateway(Setup { extra, ..Setup::before(&[&origin]) }).await;
    until("the probe's connection is closed", async || gateway.metric("streamgate_connections", "").await == 0).await;
    let held = [connect(gateway.address).await, connect(gateway.address).await];
    until("both are counted", async || gateway.metric("streamgate_connections", "").await == 2).await;
    assert_eq!(trickle(connect(gateway.address).await, b"", b"").await, b"", "closed at once");
    gateway.counts(REFUSED, "reason=\"too_many\"", 1).await;
    drop(held);
    until("there is room again", async || gateway.metric("streamgate_connections", "").await == 0).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_in_time() {
    // It answers when it has all of the body.
    let origin = RawOrigin::new().await;
    let extra: String = "limits: { body_timeout: 1s }\n".into();
    let setup = || Setup { extra: extra.clone(), anonymous: "pass", origins: vec![origin.address], ..Setup::default() };
    let gateway = setup().start().await;
    for (head, byte) in [
        ("Content-Length: 1000000", &b"x"[..]),
        ("Transfer-Encoding: chunked", b"1\r\nx\r\n"),
        ("Content-Length: 9", b""),
    ] {
        let before = gateway.metric(REFUSED, "reason=\"slow_body\"").await;
        let head = format!("POST /drm HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n");
        let answer = trickle(connect(gateway.address).await, head.as_bytes(), byte).await;
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
        gateway.counts(REFUSED, "reason=\"slow_body\"", before + 1).await;
    }
    let gateway = tls_gateway(setup()).await;
    let mut client = Http2::connect(gateway.address).await;
    let post = Request::post("https://tv.example/drm").body(()).unwrap();
    let answer = client.ask(post, &[Frame::Data("a")]).await;
    assert_eq!(answer.expect("an answer").status, 408);
    gateway.counts(REFUSED, "reason=\"slow_body\"", 1).await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_has_the_same_deadline() {
    let origin = Origin::usual().await;
    let extra = "limits: { body_timeout: 1s }\n".into();
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    for (target, status) in [("/x.ts", "405"), ("/~s/forged/x.ts", "4")] {
        for (framing, byte) in [
            ("Content-Length: 1000000000", &b"x"[..]),
            ("Transfer-Encoding: chunked", b"1\r\nx\r\n"),
            ("Content-Length: 9", b""),
        ] {
            let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
            let said = trickle(connect(gateway.address).await, head.as_bytes(), byte).await;
            let said = String::from_utf8_lossy(&said);
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{target} {framing}: {said}");
        }
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn whoever_asks_on_and_on_and_reads_no_answer_is_cut_off() {
    let origin = Origin::usual().await;
    let setup = || Setup { extra: "limits: { write_timeout: 1s }\n".into(), ..Setup::before(&[&origin]) };
    for method in ["OPTIONS", "HEAD", "GET", "DELETE"] {
        let gateway = setup().start().await;
        let mut stream = connect(gateway.address).await;
        let many = format!("{method} /a.ts HTTP/1.1\r\nHost: x\r\n\r\n").repeat(1000);
        let flood = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, flood).await.expect("the connection is still open");
    }
}

// ------------------------------------------------------------------------------------------------------- the control port

async fn control(limits: &str) -> (Origin, Gateway) {
    let origin = Origin::usual().await;
    let gateway = Setup { extra: format!("limits: {limits}\n"), ..Setup::before(&[&origin]) }.start().await;
    (origin, gateway)
}

#[tokio::test]
async fn a_header_that_trickles_to_the_control_port_is_cut_off_in_time() {
    let (_origin, gateway) = control("{ keep_alive: 1s, header_timeout: 2s }").await;
    let said = trickle(connect(gateway.control).await, b"GET /authz HTTP/1.1\r\nX: ", b"x").await;
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    gateway.counts(CONTROL_REFUSED, "reason=\"slow_header\"", 1).await;
}

#[tokio::test]
async fn an_idle_connection_of_the_control_port_is_closed_after_its_keep_alive() {
    let (_origin, gateway) = control("{ keep_alive: 1s, header_timeout: 20s }").await;
    assert_eq!(trickle(connect(gateway.control).await, b"", b"").await, b"");
    let said = trickle(connect(gateway.control).await, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"").await;
    assert!(said.ends_with(b"ok\n"), "it was answered first: {}", String::from_utf8_lossy(&said));
    assert_eq!(gateway.metric(CONTROL_REFUSED, "").await, 0, "nothing is wrong with that");
}

#[tokio::test]
async fn a_body_that_trickles_to_the_control_port_is_cut_off_in_time() {
    let (_origin, gateway) = control("{ body_timeout: 1s }").await;
    let head = "PUT /api/blocks/accounts/acme/alice HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n";
    let said = trickle(connect(gateway.control).await, head.as_bytes(), b" ").await;
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    gateway.counts(CONTROL_REFUSED, "reason=\"slow_body\"", 1).await;
}

#[tokio::test]
async fn a_header_that_is_too_large_for_the_control_port_is_refused() {
    let (_origin, gateway) = control("{}").await;
    // One read may take in more than the bound, as its buffer doubles: the header has many times the bound.
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "x".repeat(8 << 20));
    let answer = raw(gateway.control, request.as_bytes(), |_| false).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn whoever_does_not_read_the_answers_of_the_control_port_is_cut_off() {
    let (_origin, gateway) = control("{ write_timeout: 1s }").await;
    let mut stream = connect(gateway.control).await;
    let many = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, flood).await.expect("the connection is still open");
    gateway.counts(CONTROL_REFUSED, "reason=\"stalled\"", 1).await;
}

#[tokio::test]
async fn connections_of_the_control_port_have_a_bound_of_their_own() {
    let origin = Origin::usual().await;
    let gateway = Setup { control: "  connections: 4\n", ..Setup::before(&[&origin]) }.start().await;
    // The test itself has one, which it keeps.
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(connect(gateway.control).await);
    }
    until("seven are one too many", async || gateway.metric(CONTROL_REFUSED, "reason=\"too_many\"").await == 7).await;
    assert_eq!(gateway.metric("streamgate_control_connections", "").await, 4);
    assert_eq!(gateway.get("/nothing").await.status, 404, "viewers are not concerned");
    drop(held);
    until("there is room again", async || gateway.metric("streamgate_control_connections", "").await < 4).await;
    assert!(
        raw(gateway.control, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", |read| read.ends_with(b"ok\n")).await.len()
            > 3
    );
}

#[tokio::test]
async fn an_origin_that_takes_its_time_is_not_held_against_the_viewer() {
    const SENT: usize = 24 << 20;
    // It reads nothing for longer than a viewer has for a body.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let mut read = 0;
        let mut buffer = vec![0; 1 << 16];
        while read < SENT {
            read += stream.read(&mut buffer).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let extra: String = "limits: { body_timeout: 1s }\n".into();
    let gateway = Setup { extra, anonymous: "pass", origins: vec![address], ..Setup::default() }.start().await;
    let sent = gateway.client.post(gateway.url("/upload")).body(vec![b'x'; SENT]).send();
    assert_eq!(sent.await.expect("an answer").status(), 200);
    origin.await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_answered_early_is_not_read_without_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
    });
    let gateway = Setup { anonymous: "pass", origins: vec![address], ..Setup::default() }.start().await;
    let mut stream = connect(gateway.address).await;
    stream.write_all(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let piece = vec![b'x'; 1 << 16];
    let endless = async { while stream.write_all(&piece).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, endless).await.expect("the upload goes on and on");
    origin.await.unwrap();
}
