//! Requests of HTTP/2 and HTTP/1.1 as an origin of HTTP/1.1 gets them, byte by byte.

use std::sync::Arc;

use http::{Request, Version};

use super::http2::{Fate, Frame, Http2, by_hand};
use super::raw_origin::RawOrigin;
use super::support::{Gateway, Setup, raw};
use super::tls::certificate;

async fn gateway(origin: &RawOrigin) -> Gateway {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (certificate, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    let setup = Setup { tls: true, anonymous: "pass", origins: vec![origin.address], ..Setup::default() };
    setup.start_in(folder).await
}

async fn plain(origin: &RawOrigin) -> Gateway {
    Setup { anonymous: "pass", origins: vec![origin.address], ..Setup::default() }.start().await
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().version(Version::HTTP_2).method(method).uri(format!("https://tv.example{path}"))
}

/// The head of the first request that the origin got, in lower case, and everything behind it.
fn first(received: &str) -> (String, String) {
    let (head, rest) = received.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {received:?}"));
    (head.to_ascii_lowercase(), rest.to_owned())
}

fn field<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test]
async fn a_body_ends_once_however_its_frames_are_cut() {
    use Frame::{Data, Last, Trailers};
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    let cases: [(&str, &[Frame], &str); 9] = [
        ("data, then an empty frame", &[Data("hello"), Last("")], "5\r\nhello\r\n0\r\n\r\n"),
        ("data that ends it", &[Last("hello")], "5\r\nhello\r\n0\r\n\r\n"),
        ("an empty frame alone", &[Last("")], "0\r\n\r\n"),
        ("empty frames", &[Data(""), Data(""), Last("")], "0\r\n\r\n"),
        ("empty frames around", &[Data(""), Data("hello"), Data(""), Last("")], "5\r\nhello\r\n0\r\n\r\n"),
        ("trailers", &[Data("hello"), Trailers], "5\r\nhello\r\n0\r\n\r\n"),
        ("trailers behind an empty frame", &[Data("hello"), Data(""), Trailers], "5\r\nhello\r\n0\r\n\r\n"),
        ("trailers alone", &[Trailers], "0\r\n\r\n"),
        ("no body", &[], ""),
    ];
    for (name, frames, body) in cases {
        origin.forget();
        let answer = client.ask(request("POST", "/drm").body(()).unwrap(), frames).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
        // What is too much stands in front of the next request.
        assert_eq!(client.ask(request("GET", "/next").body(()).unwrap(), &[]).await.unwrap().status, 200, "{name}");
        let received = origin.received();
        let (head, rest) = first(&received);
        let (sent, next) = rest.split_once("GET /next").unwrap_or_else(|| panic!("{name}: {received:?}"));
        assert_eq!(join_chunks(sent), join_chunks(body), "{name}: {received:?}");
        assert_eq!(sent.matches("0\r\n\r\n").count(), usize::from(!body.is_empty()), "{name}: {received:?}");
        assert_eq!(field(&head, "transfer-encoding").len(), usize::from(!body.is_empty()), "{name}: {head}");
        assert!(!next.contains("transfer-encoding"), "{name}: {next}");
    }
}

/// What chunks carry. Where they are cut is not what the sender said.
fn join_chunks(mut text: &str) -> String {
    let mut joined = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        joined.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    assert!(text.is_empty(), "{text:?} is no chunk");
    joined
}

#[tokio::test]
async fn a_body_whose_length_is_told_goes_on_with_its_length() {
    use Frame::{Data, Last, Trailers};
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    let cases: [(&str, &[Frame]); 4] = [
        ("5", &[Last("hello")]),
        ("5", &[Data("he"), Data("llo"), Last("")]),
        ("5", &[Data("hello"), Trailers]),
        ("0", &[]),
    ];
    for (length, frames) in cases {
        origin.forget();
        let asked = request("POST", "/drm").header("content-length", length).body(()).unwrap();
        assert_eq!(client.ask(asked, frames).await.unwrap().status, 200, "{frames:?}");
        client.ask(request("GET", "/next").body(()).unwrap(), &[]).await.unwrap();
        let (head, rest) = first(&origin.received());
        assert_eq!(field(&head, "content-length"), [length], "{frames:?}");
        assert!(field(&head, "transfer-encoding").is_empty(), "{head}");
        let body = if length == "5" { "hello" } else { "" };
        assert!(rest.starts_with(&format!("{body}GET /next ")), "{frames:?}: {rest:?}");
    }
}

#[tokio::test]
async fn cookies_are_one_field() {
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    for (crumbs, joined) in [
        (&["a=1", "b=2", "c=3"][..], "a=1; b=2; c=3"),
        (&["a=1; b=2", "c=3"], "a=1; b=2; c=3"),
        (&["a=1"], "a=1"),
        // The token is ours, and stays here.
        (&["a=1", "token=x.y.z", "c=3"], "a=1; c=3"),
        (&["token=x.y.z", "c=3"], "c=3"),
    ] {
        origin.forget();
        let asked = crumbs.iter().fold(request("GET", "/page.html"), |asked, crumb| asked.header("cookie", *crumb));
        client.ask(asked.body(()).unwrap(), &[]).await.unwrap();
        let (head, _) = first(&origin.received());
        assert_eq!(field(&head, "cookie"), [joined], "{crumbs:?}");
    }
    // Whose cookies come in several fields over HTTP/1.1 is answered alike.
    let plain = plain(&origin).await;
    origin.forget();
    let asked = b"GET /page.html HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n";
    raw(plain.address, asked, |_| false).await;
    assert_eq!(field(&first(&origin.received()).0, "cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn what_belongs_to_the_connection_stays_there() {
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    let asked = request("GET", "/page.html").header("te", "trailers").header("trailer", "x-checksum");
    client.ask(asked.header("x-own", "stays").body(()).unwrap(), &[]).await.unwrap();
    let (head, rest) = first(&origin.received());
    assert_eq!(head.lines().next(), Some("get /page.html http/1.1"));
    for name in ["te", "trailer", "connection", "upgrade", "transfer-encoding", ":authority", ":path", ":scheme"] {
        assert!(field(&head, name).is_empty(), "{name}: {head}");
    }
    assert_eq!(field(&head, "host"), ["tv.example"]);
    assert_eq!(field(&head, "x-own"), ["stays"]);
    assert_eq!(rest, "");
}

#[tokio::test]
async fn every_method_goes_on_with_and_without_a_body() {
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for frames in [&[][..], &[Frame::Data("hello"), Frame::Last("")]] {
            origin.forget();
            let answer = client.ask(request(method, "/drm").body(()).unwrap(), frames).await.unwrap();
            assert_eq!(answer.status, 200, "{method}");
            assert_eq!(answer.body, if method == "HEAD" { "" } else { "ok" }, "{method}");
            let (head, rest) = first(&origin.received());
            assert!(head.starts_with(&format!("{} /drm http/1.1", method.to_ascii_lowercase())), "{head}");
            assert_eq!(rest, if frames.is_empty() { "" } else { "5\r\nhello\r\n0\r\n\r\n" }, "{method}");
            if method == "HEAD" {
                // The origin answers a HEAD with a body here: what it sent must not be taken for the next answer.
                break;
            }
        }
    }
}

/// Requests that HTTP/2 forbids or that HTTP/1.1 would read otherwise: none reaches the origin.
#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_do_not_get_through() {
    type Fields = &'static [(&'static str, &'static str)];
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    const GET: Fields = &[(":method", "GET"), (":scheme", "https"), (":authority", "tv.example"), (":path", "/a.html")];
    const POST: Fields = &[(":method", "POST"), (":scheme", "https"), (":authority", "tv.example"), (":path", "/drm")];
    let with = |base: Fields, more: Fields| [base, more].concat();
    let path = |path: &'static str| {
        vec![(":method", "GET"), (":scheme", "https"), (":authority", "tv.example"), (":path", path)]
    };
    let cases: Vec<(&str, Vec<(&str, &str)>, &[&str])> = vec![
        (
            "transfer-encoding",
            with(POST, &[("transfer-encoding", "chunked")]),
            &["0\r\n\r\nGET /stray HTTP/1.1\r\n\r\n"],
        ),
        ("transfer-encoding in disguise", with(POST, &[("Transfer-Encoding", "chunked")]), &["0\r\n\r\n"]),
        ("connection", with(GET, &[("connection", "x-own")]), &[]),
        ("keep-alive", with(GET, &[("keep-alive", "timeout=5")]), &[]),
        ("proxy-connection", with(GET, &[("proxy-connection", "close")]), &[]),
        ("upgrade", with(GET, &[("upgrade", "websocket")]), &[]),
        ("te that is not trailers", with(GET, &[("te", "gzip")]), &[]),
        ("upper case", with(GET, &[("X-Own", "1")]), &[]),
        ("a space in a name", with(GET, &[("x own", "1")]), &[]),
        ("a colon in a name", with(GET, &[("x:own", "1")]), &[]),
        ("a line end in a name", with(GET, &[("x\r\nstray", "1")]), &[]),
        ("a line end in a value", with(GET, &[("x-own", "1\r\nstray: 1")]), &[]),
        ("a line feed in a value", with(GET, &[("x-own", "1\nstray: 1")]), &[]),
        ("a zero in a value", with(GET, &[("x-own", "1\0")]), &[]),
        ("a line end in a path", path("/a.html HTTP/1.1\r\nHost: other\r\n\r\nGET /stray"), &[]),
        ("a space in a path", path("/a.html HTTP/1.1"), &[]),
        ("an empty path", path(""), &[]),
        ("a path without a slash", path("a.html"), &[]),
        ("an absolute path", path("https://other.example/a.html"), &[]),
        ("two paths", with(GET, &[(":path", "/stray")]), &[]),
        ("two methods", with(GET, &[(":method", "POST")]), &[]),
        ("a pseudo field behind others", [&[("x-own", "1")], GET].concat(), &[]),
        ("an unknown pseudo field", [GET, &[(":stray", "1")]].concat(), &[]),
        ("a field of answers", [GET, &[(":status", "200")]].concat(), &[]),
        ("no path", GET[..3].to_vec(), &[]),
        ("no method", GET[1..].to_vec(), &[]),
        ("another host", with(GET, &[("host", "other.example")]), &[]),
        ("two hosts", with(GET, &[("host", "tv.example"), ("host", "tv.example")]), &[]),
        ("user info", with(&GET[..2], &[(":authority", "me@tv.example"), (":path", "/a.html")]), &[]),
        ("a method with a line end", with(&[(":method", "GET /stray HTTP/1.1\r\n\r\nGET")], &GET[1..]), &[]),
        ("connect", vec![(":method", "CONNECT"), (":authority", "tv.example:443")], &[]),
        (
            "extended connect",
            with(&[(":method", "CONNECT"), (":protocol", "websocket")], &GET[1..]),
            &["GET /stray HTTP/1.1\r\n\r\n"],
        ),
    ];
    for (name, fields, body) in cases {
        let fate = by_hand(gateway.address, &fields, body).await;
        // CONNECT is answered: 405.
        assert!(fate != Fate::Answered || name.contains("connect"), "{name}");
    }
    let mut client = Http2::connect(gateway.address).await;
    assert_eq!(client.ask(request("GET", "/next").body(()).unwrap(), &[]).await.unwrap().status, 200, "all goes on");
    let received = origin.received();
    assert!(received.starts_with("GET /next HTTP/1.1\r\n"), "only that: {received:?}");
    assert_eq!(received.matches(" HTTP/1.1\r\n").count(), 1, "only that: {received:?}");
}

/// A length that is not that of the body: what the origin gets is never longer than it says.
#[tokio::test]
async fn a_length_that_is_not_true_lets_nothing_through_behind_the_body() {
    let origin = RawOrigin::new().await;
    let gateway = gateway(&origin).await;
    let post = [(":method", "POST"), (":scheme", "https"), (":authority", "tv.example"), (":path", "/drm")];
    let stray = "GET /stray HTTP/1.1\r\n\r\n";
    for (name, lengths, body) in [
        ("a length without a body", &["5"][..], &[][..]),
        ("a length of more", &["50"], &["hello"]),
        ("a length of less", &["2"], &["hello", stray]),
        ("a length of nothing", &["0"], &[stray]),
        ("a length of nothing, and frames of nothing", &["0"], &["", stray]),
        ("two lengths", &["5", "2"], &["hello", stray]),
        ("a list of lengths", &["5, 2"], &["hello", stray]),
        ("a length that is no number", &["+5"], &["hello", stray]),
        ("a length of another system", &["0x5"], &["hello", stray]),
    ] {
        let lengths = lengths.iter().map(|length| ("content-length", *length));
        let fields: Vec<_> = post.into_iter().chain(lengths).collect();
        by_hand(gateway.address, &fields, body).await;
        let mut client = Http2::connect(gateway.address).await;
        let next = client.ask(request("GET", "/next").body(()).unwrap(), &[]).await.unwrap();
        assert_eq!((next.status, &*next.body), (200, &b"ok"[..]), "{name}");
    }
    let received = origin.received();
    assert!(!received.contains("stray"), "{received:?}");
    assert_eq!(received.matches("GET /next HTTP/1.1\r\n").count(), 9, "{received:?}");
}

#[tokio::test]
async fn answers_come_back_whole_and_without_what_belongs_to_the_connection() {
    let origin = RawOrigin::answering(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let text = match path {
            "/early.html" => {
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            }
            "/trailers.html" => {
                "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"
            }
            "/extension.html" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0;c=d\r\n\r\n",
            "/hop.html" => {
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\nContent-Length: 2\r\n\r\nok"
            }
            "/none.html" => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        text.as_bytes().to_vec()
    })
    .await;
    let gateway = gateway(&origin).await;
    let mut client = Http2::connect(gateway.address).await;
    for (path, status, body) in [
        ("/early.html", 200, "ok"),
        ("/trailers.html", 200, "ok"),
        ("/extension.html", 200, "ok"),
        ("/hop.html", 200, "ok"),
        ("/none.html", 204, ""),
        ("/last.html", 200, "ok"),
    ] {
        let answer = client.ask(request("GET", path).body(()).unwrap(), &[]).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (status, body.as_bytes()), "{path}");
        for name in ["connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"] {
            assert!(!answer.headers.contains_key(name), "{path}: {name}");
        }
    }
}

/// The same over HTTP/1.1: what could be read in two ways is refused, or goes on in the one way that is left.
#[tokio::test]
async fn requests_of_http_1_that_could_be_read_in_two_ways_do_not_get_through() {
    let origin = RawOrigin::new().await;
    let gateway = plain(&origin).await;
    let stray = "GET /stray HTTP/1.1\r\nHost: x\r\n\r\n";
    // Both: the coding counts, the length goes, and the connection is closed (RFC 9112 §6.1).
    let both = format!(
        "POST /drm HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n{stray}"
    );
    let answer = raw(gateway.address, both.as_bytes(), |_| false).await;
    assert_eq!(String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count(), 1, "the rest is not answered");
    let (head, rest) = first(&origin.received());
    assert!(field(&head, "content-length").is_empty(), "{head}");
    assert_eq!(rest, "5\r\nhello\r\n0\r\n\r\n");
    for (name, request) in [
        ("two lengths", format!("Content-Length: 5\r\nContent-Length: {}\r\n\r\n{stray}", stray.len())),
        ("a list of lengths", format!("Content-Length: 5, 6\r\n\r\n{stray}")),
        ("a signed length", format!("Content-Length: +5\r\n\r\n{stray}")),
        ("a coding that is not the last", format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{stray}")),
        ("an unknown coding", format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{stray}")),
        ("a folded field", format!("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{stray}")),
        ("a space in front of the colon", format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{stray}")),
        ("a chunk with a sign", format!("Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n{stray}")),
        ("a chunk of too much", format!("Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n{stray}")),
        (
            "a chunk of a huge size",
            format!("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n{stray}"),
        ),
    ] {
        let request = format!("POST /drm HTTP/1.1\r\nHost: x\r\n{request}");
        let answer = raw(gateway.address, request.as_bytes(), |_| false).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains(" 200 "), "{name}: {answer}");
    }
    let next = raw(gateway.address, b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", |_| false).await;
    assert!(String::from_utf8_lossy(&next).ends_with("\r\n\r\nok"), "all goes on");
    assert!(!origin.received().contains("/stray"), "{:?}", origin.received());
}
