//! Listeners with certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::support::{Answer, Origin, Setup, answer, token, until, usual};

/// A certificate for `name` that vouches for itself, and its key, as PEM.
pub(super) fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.join("tls.key"), key).unwrap();
}

/// An origin that speaks TLS, behind a listener that decrypts for the usual one.
pub(super) async fn origin(certificate: &str, key: &str) -> Origin {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Origin::tls(config, |request| async move { usual(request.uri().path()) }).await
}

#[tokio::test]
async fn a_listener_with_a_certificate_speaks_http_2() {
    let origin = Origin::usual().await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    write(folder.path(), &certificate("tv.example"));
    let gateway = Setup { tls: true, ..Setup::before(&[&origin]) }.start_in(folder).await;
    let start = gateway.enter("/news/master.m3u8", "tv").await;
    assert_eq!((start.status, start.version), (200, reqwest::Version::HTTP_2));
    assert_eq!(gateway.get(&format!("{}/news/a.ts", start.prefix())).await.status, 200);
    assert_eq!(origin.last().headers["host"], gateway.address.to_string());
    let film = gateway.enter("/film/manifest.mpd", "tv").await;
    let base = format!("<BaseURL>https://{}{}/film/</BaseURL>", gateway.address, film.prefix());
    assert!(film.text().contains(&base), "{}", film.text());
    gateway.enter("/news/master.m3u8", "phone").await;
    assert_eq!(gateway.enter("/news/master.m3u8", "tablet").await.problem_type(), "stream-limit");
}

#[tokio::test]
async fn an_origin_that_writes_http_leads_nobody_out_of_tls() {
    // It is asked in the clear, and takes its viewers for such as ask so, too.
    let origin = Origin::new(|request| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let hls = "application/vnd.apple.mpegurl";
        match request.uri().path() {
            "/moved.m3u8" => {
                let mut response = answer(302, "text/plain", "");
                response.headers_mut().insert("location", format!("http://{host}/live/low.m3u8").parse().unwrap());
                response
            }
            "/live/master.m3u8" => {
                let stream = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://{host}/live/low.m3u8\n");
                answer(200, hls, stream)
            }
            "/film.mpd" => answer(
                200,
                "application/dash+xml",
                format!(
                    "<MPD type=\"static\"><BaseURL>http://{host}/film/</BaseURL><Period><AdaptationSet><SegmentTemplate \
                     media=\"s$Number$.m4s\" duration=\"2\"/></AdaptationSet></Period></MPD>"
                ),
            ),
            path => usual(path),
        }
    })
    .await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    write(folder.path(), &certificate("tv.example"));
    let gateway = Setup { tls: true, ..Setup::before(&[&origin]) }.start_in(folder).await;
    for (nth, path) in ["/live/master.m3u8", "/film.mpd"].into_iter().enumerate() {
        let entry = gateway.enter(path, &format!("tv-{nth}")).await;
        assert_eq!(entry.status, 200, "{path}");
        assert!(!entry.text().contains("http://") && entry.text().contains("/~s/"), "{path}: {}", entry.text());
    }
    let prefix = gateway.enter("/live/master.m3u8", "tv-0").await.prefix();
    let moved = gateway.get(&format!("{prefix}/moved.m3u8")).await;
    assert_eq!((moved.status, moved.header("location")), (302, format!("{prefix}/live/low.m3u8").as_str()));
    assert_eq!(gateway.get(moved.header("location")).await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_changes_is_served_without_a_restart_and_a_broken_one_is_not() {
    let origin = Origin::usual().await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (first, second) = (certificate("one.example"), certificate("two.example"));
    write(folder.path(), &first);
    let gateway = Setup { tls: true, ..Setup::before(&[&origin]) }.start_in(folder.clone()).await;
    let served = async || {
        let client = reqwest::Client::builder().tls_info(true).danger_accept_invalid_certs(true).build().unwrap();
        let url = gateway.url(&format!("/news/master.m3u8?token={}", token("alice", "tv")));
        let response = client.get(url).send().await.unwrap();
        let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        let served = info.peer_certificate().unwrap().to_vec();
        assert_eq!(Answer::of(response).await.status, 200);
        served
    };
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    assert_eq!(served().await, der(&first.0));
    write(folder.path(), &second);
    until("the new certificate is served", async || served().await == der(&second.0)).await;
    std::fs::write(folder.path().join("tls.crt"), "half a certificate").unwrap();
    until("the log complains", async || gateway.log().contains("new certificate is invalid")).await;
    assert_eq!(served().await, der(&second.0));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_to_its_end_keeps_nothing_else_waiting() {
    let origin = Origin::usual().await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    write(folder.path(), &certificate("one.example"));
    let setup =
        Setup { tls: true, streams: "{ reserve: 1s, idle: { min: 1s, max: 1s } }", ..Setup::before(&[&origin]) };
    let gateway = setup.start_in(folder.clone()).await;
    // Whoever opens a named pipe waits for somebody who writes into it.
    let key = folder.path().join("tls.key");
    std::fs::remove_file(&key).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&key).status().unwrap().success());
    // The gateway has it open when this end opens: it is reading.
    let (opened, open) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || opened.send(std::fs::File::options().write(true).open(key).unwrap()));
    let writer = tokio::time::timeout(super::support::PATIENCE, open).await.unwrap().unwrap();
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200, "the old one serves on");
    let playing = async || gateway.metric("streamgate_streams", "").await;
    until("the stream has expired", async || playing().await == 0).await;
    // A reload reads its own copy, and must not wait for this one.
    let text = std::fs::read_to_string(folder.path().join("streamgate.yaml")).unwrap();
    let (certificate, other) = certificate("two.example");
    std::fs::write(folder.path().join("two.crt"), certificate).unwrap();
    std::fs::write(folder.path().join("other.key"), other).unwrap();
    let text = text.replace("certificate: tls.crt, key: tls.key", "certificate: two.crt, key: other.key");
    std::fs::write(folder.path().join("streamgate.yaml"), text).unwrap();
    gateway.signal("HUP");
    until("the reload is done", async || gateway.metric("streamgate_config_revision", "").await == 2).await;
    let log = folder.clone();
    drop(writer);
    assert_eq!(gateway.stop().await, Some(0));
    let log = std::fs::read_to_string(log.path().join("log")).unwrap();
    assert!(!log.contains("new certificate is invalid"), "what was read is of the configuration before");
}
