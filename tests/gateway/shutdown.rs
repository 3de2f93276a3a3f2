//! How a gateway stops, and what it says of itself when it starts.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Gateway, Origin, Setup, piecewise, until};

/// Far longer than a stop may take that waits for nothing.
const LONG: &str = "{ grace: 1m }";
/// Less than any of the times that are configured here.
const SOON: Duration = Duration::from_secs(20);

/// An origin with one answer that comes piece by piece.
async fn slow_origin() -> (Origin, http_body_util::channel::Sender<bytes::Bytes, std::convert::Infallible>) {
    let (send, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |request| {
        let body = body.lock().unwrap().take_if(|_| request.uri().path() == "/slow.ts");
        async move { body.map_or_else(|| super::support::usual(request.uri().path()), hyper::Response::new) }
    });
    (origin.await, send)
}

async fn stops_soon(gateway: Gateway) -> String {
    let folder = gateway.folder.clone();
    let code = timeout(SOON, gateway.stop()).await.expect("it waits for something");
    assert_eq!(code, Some(0));
    std::fs::read_to_string(folder.path().join("log")).unwrap()
}

#[tokio::test]
async fn with_nothing_under_way_it_ends_at_once_whoever_is_connected() {
    let origin = Origin::usual().await;
    let cert = rcgen::generate_simple_self_signed(["tv.example".to_owned()]).unwrap();
    let files =
        vec![("tls.crt", cert.cert.pem().into_bytes()), ("tls.key", cert.signing_key.serialize_pem().into_bytes())];
    for tls in [false, true] {
        let setup = Setup { shutdown: LONG, tls, files: files.clone(), ..Setup::before(&[&origin]) };
        let gateway = setup.start().await;
        // Connections that are kept: HTTP/1.1 or HTTP/2, and one of the control port.
        assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200);
        assert!(gateway.metric("streamgate_connections", "").await >= 1);
        // Others that have said nothing, or only a part.
        let silent = TcpStream::connect(gateway.address).await.unwrap();
        let partly = TcpStream::connect(gateway.address).await.unwrap();
        partly.writable().await.unwrap();
        partly.try_write(b"GET / HTTP/1.1\r\nHost").unwrap();
        until("the gateway knows them", async || gateway.metric("streamgate_connections", "").await >= 2).await;
        let began = Instant::now();
        let log = stops_soon(gateway).await;
        println!("stopped after {:?}", began.elapsed());
        assert!(log.contains("SIGTERM") && log.contains("the last request has ended"), "{log}");
        drop((silent, partly));
    }
}

#[tokio::test]
async fn it_ends_when_the_last_request_ends() {
    let (origin, mut send) = slow_origin().await;
    let setup = Setup { shutdown: LONG, anonymous: "pass", ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let mut response = gateway.client.get(gateway.url("/slow.ts")).send().await.unwrap();
    send.send_data("a".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "a");
    let (address, control, client) = (gateway.address, gateway.control, gateway.client.clone());
    let stopping = tokio::spawn(stops_soon(gateway));
    until("new connections are refused", async || TcpStream::connect(address).await.is_err()).await;
    let ready = client.get(format!("http://{control}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503, "the control port answers as long as a request is under way");
    send.send_data("b".into()).await.unwrap();
    drop(send);
    assert_eq!(response.chunk().await.unwrap().unwrap(), "b");
    assert!(response.chunk().await.unwrap().is_none());
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_second_signal_ends_the_wait_and_both_are_logged() {
    for second in ["TERM", "INT"] {
        let (origin, mut send) = slow_origin().await;
        let setup = Setup { shutdown: LONG, anonymous: "pass", ..Setup::before(&[&origin]) };
        let gateway = setup.start().await;
        let mut response = gateway.client.get(gateway.url("/slow.ts")).send().await.unwrap();
        send.send_data("a".into()).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "a");
        gateway.signal("TERM");
        until("new connections are refused", async || TcpStream::connect(gateway.address).await.is_err()).await;
        gateway.signal(second);
        let log = {
            let folder = gateway.folder.clone();
            let ended = async {
                let mut gateway = gateway;
                gateway.ended().await
            };
            assert_eq!(timeout(SOON, ended).await.expect("it goes on waiting"), Some(0));
            std::fs::read_to_string(folder.path().join("log")).unwrap()
        };
        assert!(response.chunk().await.is_err(), "the request was cut off");
        let signals = log.lines().filter(|line| line.contains("\"signal\":\"SIG")).count();
        assert_eq!(signals, 2, "{log}");
        assert!(log.contains(&format!("\"signal\":\"SIG{second}\"")) && log.contains("stopping now"));
    }
}

#[tokio::test]
async fn requests_are_answered_during_the_delay_while_load_balancers_are_sent_away() {
    let origin = Origin::usual().await;
    let setup = Setup { shutdown: "{ grace: 1s, delay: 1m }", ..Setup::before(&[&origin]) };
    let mut gateway = setup.start().await;
    gateway.signal("TERM");
    let ready = async || {
        let answer = gateway.client.get(format!("http://{}/readyz", gateway.control)).send().await.unwrap();
        answer.status().as_u16()
    };
    until("/readyz says 503", async || ready().await == 503).await;
    let answered = TcpStream::connect(gateway.address).await;
    assert!(answered.is_ok(), "new connections are taken");
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200);
    gateway.signal("TERM");
    assert_eq!(timeout(SOON, gateway.ended()).await.expect("it goes on waiting"), Some(0));

    let setup = Setup { shutdown: "{ grace: 1m, delay: 500ms }", ..Setup::before(&[&origin]) };
    let began = Instant::now();
    stops_soon(setup.start().await).await;
    assert!(began.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn the_first_line_says_what_runs_where() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("streamgate is up")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["listeners"], gateway.address.to_string());
    assert_eq!(line["control"], gateway.control.to_string());
    assert_eq!(line["revision"], 1);
}
