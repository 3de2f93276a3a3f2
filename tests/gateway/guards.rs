//! Clients that mean harm or know no better: a clear 4xx or a close, a count, and all goes on.

use super::support::{Gateway, Origin, Setup, raw, token};

fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

async fn asked(gateway: &Gateway, request: &str) -> Vec<u8> {
    raw(gateway.address, request.as_bytes(), |read| {
        read.ends_with(b"}") || read.ends_with(b"0\r\n\r\n") || read.ends_with(b"no such thing")
    })
    .await
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    assert_eq!(status(&asked(&gateway, "GET /a.ts HTTP/1.1\r\n\r\n").await), 400);
    gateway.counts("streamgate_requests_total", "malformed", 1).await;
}

#[tokio::test]
async fn a_header_of_half_a_megabyte_is_refused() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let request = format!("GET /a.ts HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "x".repeat(500_000));
    assert_eq!(status(&asked(&gateway, &request).await), 431);
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_header_that_trickles_is_cut_off_in_time() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let origin = Origin::usual().await;
    let extra = "limits: { keep_alive: 1s, header_timeout: 2s }\n".into();
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let trickle = async {
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(100));
        let mut buffer = [0; 64];
        stream.write_all(b"GET /a.ts HTTP/1.1\r\nX: ").await.unwrap();
        loop {
            tokio::select! {
                _ = beat.tick() => if stream.write_all(b"x").await.is_err() { return },
                read = stream.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(count) => panic!("an answer to half a header: {:?}", &buffer[..count]),
                },
            }
        }
    };
    tokio::time::timeout(super::support::PATIENCE, trickle).await.expect("the connection is still open");
    assert_eq!(gateway.metric("streamgate_connections_refused_total", "slow_header").await, 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_keep_alive() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let origin = Origin::usual().await;
    let extra = "limits: { keep_alive: 1s, header_timeout: 2s }\n".into();
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /a.ts HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(super::support::PATIENCE, stream.read_to_end(&mut all)).await.expect("never closed").unwrap();
    assert_eq!(status(&all), 401, "it was answered first");
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_at_once_and_counted() {
    let origin = Origin::usual().await;
    let gateway = Setup { extra: "limits: { connections: 2 }\n".into(), ..Setup::before(&[&origin]) }.start().await;
    super::support::until("the probe's connection is closed", async || {
        gateway.metric("streamgate_connections", "").await == 0
    })
    .await;
    let held: Vec<_> = futures(2, gateway.address).await;
    super::support::until("both are counted", async || gateway.metric("streamgate_connections", "").await == 2).await;
    assert!(raw(gateway.address, b"GET /a.ts HTTP/1.1\r\nHost: x\r\n\r\n", |_| false).await.is_empty());
    assert_eq!(gateway.metric("streamgate_connections_refused_total", "too_many").await, 1);
    drop(held);
    super::support::until("there is room again", async || {
        status(&raw(gateway.address, b"GET /a.ts HTTP/1.1\r\nHost: x\r\n\r\n", |read| read.ends_with(b"}")).await)
            == 401
    })
    .await;
}

async fn futures(count: usize, address: std::net::SocketAddr) -> Vec<tokio::net::TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    held
}

#[tokio::test]
async fn a_path_that_means_something_else_at_the_origin_is_refused() {
    let origin = Origin::usual().await;
    let gateway = Setup { anonymous: "pass", ..Setup::before(&[&origin]) }.start().await;
    for path in ["/free/../paid/a.ts", "/free/%2e%2E/paid/a.ts", "/free/./a.ts"] {
        let answer = asked(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(status(&answer), 400, "{path}");
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn media_is_not_posted_and_other_things_are() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let posted = gateway.client.post(gateway.url("/news/a.ts")).body("x").send().await.unwrap();
    assert_eq!(posted.status(), 405);
    let licence = gateway.client.post(gateway.url("/drm")).body("challenge").send().await.unwrap();
    assert_eq!(licence.status(), 404, "the origin's answer");
    assert_eq!(origin.last().method, "POST");
}

#[tokio::test]
async fn an_upgrade_does_not_get_past_the_question_of_identity() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n";
    let answer = asked(&gateway, &format!("GET /a.ts HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n")).await;
    assert_eq!(status(&answer), 401);
    asked(&gateway, &format!("GET /page HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n")).await;
    assert!(!origin.last().headers.contains_key("upgrade"), "{:?}", origin.last());
}

#[tokio::test]
async fn a_request_of_nonsense_is_refused_and_the_next_one_served() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for nonsense in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{fc}.ts HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let answer = raw(gateway.address, nonsense.as_bytes(), |read| read.windows(4).any(|w| w == b"\r\n\r\n")).await;
        assert!(answer.is_empty() || status(&answer) / 100 == 4, "{nonsense:?}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200);
}

#[tokio::test]
async fn an_absolute_target_with_its_own_host_is_passed_on_in_the_usual_form() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let token = token("alice", "tv");
    let request = format!("GET http://tv.example/news/master.m3u8?token={token} HTTP/1.1\r\nHost: tv.example\r\n\r\n");
    assert_eq!(status(&asked(&gateway, &request).await), 200);
    assert_eq!(origin.last().target, "/news/master.m3u8");
}

#[tokio::test]
async fn the_control_port_says_what_it_has() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let get = async |path: &str| gateway.client.get(format!("http://{}{path}", gateway.control)).send().await.unwrap();
    assert_eq!(get("/healthz").await.text().await.unwrap(), "ok\n");
    assert_eq!(get("/readyz").await.text().await.unwrap(), "ready\n");
    let other = get("/nothing").await;
    assert_eq!(other.status(), 404);
    assert!(other.text().await.unwrap().contains("/metrics"));
    let metrics = get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("streamgate_build_info{version=\""));
    assert!(metrics.lines().filter(|line| !line.starts_with('#')).all(|line| line.starts_with("streamgate_")));
}
