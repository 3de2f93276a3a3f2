//! What a request may name as its host and its target (RFC 9112 §3.2), in HTTP/1.1 and HTTP/2.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Gateway, Origin, PATIENCE, Setup, raw, token};
use super::tls::certificate;

/// Sends one request as it stands and returns its status and its answer.
async fn send(gateway: &Gateway, head: &str, host: &[u8]) -> (u16, String) {
    let request = [head.as_bytes(), b"\r\n", host, b"connection: close\r\n\r\n"].concat();
    let answer = raw(gateway.address, &request, |_| false).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), text)
}

fn field(host: &str) -> Vec<u8> {
    format!("Host: {host}\r\n").into_bytes()
}

#[tokio::test]
async fn what_is_no_host_is_refused_and_never_reaches_the_origin() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for host in [
        "",
        ":80",
        "tv.example other.example",
        "tv.example/live",
        "http://tv.example",
        "tv.example,other.example",
        "tv.example, other.example",
        "viewer@tv.example",
        "viewer:secret@tv.example",
        "tv.example:http",
        "tv.example:99999",
        "tv.example:80:80",
        "tv.example?x",
        "tv.example#x",
        "tv.example\\x",
        "tv%2fexample",
        "2001:db8::7",
        "[2001:db8::7",
        "[tv.example]",
        "tv\u{1}example",
        "caf\u{e9}.example",
    ] {
        for target in ["/page.html", "/news/master.m3u8"] {
            let (status, answer) = send(&gateway, &format!("GET {target} HTTP/1.1"), &field(host)).await;
            assert_eq!(status, 400, "{host:?}: {answer}");
        }
    }
    for fields in [
        "Host: tv.example\r\nHost: tv.example\r\n",
        "Host: tv.example\r\nHost: other.example\r\n",
        "Host: tv.example\r\nhost:\r\n",
    ] {
        assert_eq!(send(&gateway, "GET /page.html HTTP/1.1", fields.as_bytes()).await.0, 400, "{fields}");
    }
    assert_eq!(send(&gateway, "GET /page.html HTTP/1.0", &field("a b")).await.0, 400);
    let (_, answer) = send(&gateway, "GET /page.html HTTP/1.1", &field("a,b")).await;
    assert!(answer.contains("urn:streamgate:problem:bad-host"), "{answer}");
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
}

#[tokio::test]
async fn every_host_that_there_can_be_passes_as_it_was_written() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for host in [
        "tv.example",
        "TV.Example:8443",
        "tv.example.",
        "tv.example.:80",
        "tv.example:",
        "tv_box-1.lan",
        "192.0.2.7:8080",
        "[2001:db8::7]",
        "[2001:DB8::7]:443",
        "[::ffff:192.0.2.7]",
        "xn--caf-dma.example",
        "caf%C3%A9.example",
        "%74v.example",
    ] {
        let (status, answer) = send(&gateway, "GET /page.html HTTP/1.1", &field(host)).await;
        assert!(status == 404 && answer.ends_with("no such thing"), "the origin's own answer: {host}: {answer}");
        assert_eq!(origin.last().headers["host"], host);
    }
    assert_eq!(send(&gateway, "GET /page.html HTTP/1.0", b"").await.0, 404, "old clients name none");
}

#[tokio::test]
async fn a_whole_url_is_asked_for_by_its_path() {
    let origin = Origin::usual().await;
    let setup = Setup { origin: "    host_header: o.example\n".into(), ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    for (target, path) in [
        ("http://tv.example/page.html?x=1", "/page.html?x=1"),
        ("HTTP://tv.example/page.html", "/page.html"),
        ("https://tv.example/a%20b", "/a%20b"),
        ("http://tv.example", "/"),
        ("http://tv.example?x=1", "/?x=1"),
    ] {
        let (status, answer) = send(&gateway, &format!("GET {target} HTTP/1.1"), &field("tv.example")).await;
        assert_eq!(status, 404, "{target}: {answer}");
        let seen = origin.last();
        assert_eq!((seen.target.as_str(), seen.headers["host"].as_str()), (path, "o.example"), "{target}");
    }
    let media = format!("http://tv.example/news/master.m3u8?token={}", token("alice", "tv"));
    assert_eq!(send(&gateway, &format!("GET {media} HTTP/1.1"), &field("tv.example")).await.0, 200);
    assert_eq!(send(&gateway, "GET http://tv.example/news/a.ts HTTP/1.1", &field("tv.example")).await.0, 401);
    let count = origin.seen().len();
    for target in [
        "http://other.example/page.html",
        "http://viewer@tv.example/page.html",
        "http://tv.example,other.example/page.html",
        "http://tv.example:x/page.html",
        "http:///page.html",
        "http:/page.html",
        "ftp://tv.example/page.html",
        "tv.example/page.html",
        "news/master.m3u8",
        "news/a.ts",
        "x:/news/a.ts",
        "?x=1",
        "*",
    ] {
        let (status, answer) = send(&gateway, &format!("GET {target} HTTP/1.1"), &field("tv.example")).await;
        assert_eq!(status, 400, "{target}: {answer}");
    }
    for connect in ["CONNECT tv.example:80 HTTP/1.1", "CONNECT /news/a.ts HTTP/1.1"] {
        assert!(matches!(send(&gateway, connect, &field("tv.example")).await.0, 400 | 405), "{connect}");
    }
    assert_eq!(origin.seen().len(), count, "{:?}", origin.seen());
}

/// A HEADERS frame that ends its stream. Fields are literals without Huffman coding (RFC 7541 §6.2.2).
fn headers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    [&length[1..], &[1, 0x4 | 0x1], &stream.to_be_bytes(), &block].concat()
}

/// What becomes of a request in HTTP/2: the first byte of its answer's header block, which is its status where the table of
/// RFC 7541 has it; `None` where the stream is reset.
async fn in_http_2(gateway: &Gateway, pem: &str, fields: &[(&str, &str)]) -> Option<u8> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("tv.example").unwrap(), stream).await.unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let request = headers(1, &[&[(":method", "GET"), (":scheme", "https"), (":path", "/page.html")], fields].concat());
    stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &request].concat()).await.unwrap();
    stream.flush().await.unwrap();
    loop {
        let mut head = [0; 9];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("an answer").unwrap();
        let [a, b, c, kind, _, _, _, _, number] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        match (kind, number) {
            (1, 1) => return payload.first().copied(),
            (3, 1) | (7, _) => return None,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_authority_in_http_2_is_one_host_too() {
    const BAD_REQUEST: u8 = 0x8c; // entry 12 of the table
    const NOT_FOUND: u8 = 0x8d; // entry 13
    let origin = Origin::usual().await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (pem, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), &pem).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    let gateway = Setup { tls: true, ..Setup::before(&[&origin]) }.start_in(folder).await;
    for fields in [
        &[(":authority", "tv.example,other.example")][..],
        &[(":authority", "viewer@tv.example")],
        &[(":authority", "tv.example:99999")],
        &[(":authority", "tv.example:http")],
        &[(":authority", "tv example")],
        &[(":authority", "tv.example/live")],
        &[(":authority", "")],
        &[(":authority", "tv.example"), ("host", "other.example")],
        &[(":authority", "tv.example"), ("host", "tv.example:443")],
        &[("host", "a b")],
        &[("host", "a,b")],
        &[("host", "tv.example"), ("host", "tv.example")],
        &[],
    ] {
        let answer = in_http_2(&gateway, &pem, fields).await;
        assert!(matches!(answer, None | Some(BAD_REQUEST)), "{fields:?}: {answer:?}");
    }
    assert_eq!(in_http_2(&gateway, &pem, &[(":authority", "a,b")]).await, Some(BAD_REQUEST), "it is told");
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
    for fields in [
        &[(":authority", "tv.example")][..],
        &[(":authority", "TV_1.Example.:8443")],
        &[(":authority", "[2001:db8::7]:443")],
        &[(":authority", "tv.example"), ("host", "tv.example")],
        &[("host", "tv.example")],
    ] {
        assert_eq!(in_http_2(&gateway, &pem, fields).await, Some(NOT_FOUND), "the origin's own answer: {fields:?}");
        assert_eq!(origin.last().headers["host"], fields[0].1);
    }
}
