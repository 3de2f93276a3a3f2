//! How it gets there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::program::{Gateway, Origin, Setup, token};
use super::receiver::{Receiver, Reply, a_while, counted, counts, short};

/// As the examples of Standard Webhooks have it.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn start(origin: &Origin, receiver: &Receiver, keys: &str) -> Gateway {
    let extra = format!("webhooks: [{{ url: \"{}\", {keys} }}]\n", receiver.url());
    let files = vec![("hook.secret", SECRET.as_bytes().to_vec())];
    Setup { files, extra, ..Setup::before(&[origin]) }.start().await
}

/// An account of its own plays.
async fn play(gateway: &Gateway, subject: &str) {
    let answer = gateway.get(&format!("/news/master.m3u8?token={}", token(subject, subject))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn events_come_in_batches_in_the_order_in_which_they_happened_and_the_last_ones_when_the_gateway_stops() {
    let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
    let gateway = start(&origin, &receiver, "batch: 3, flush_interval: 30m, secret: { file: hook.secret }").await;
    let names: Vec<String> = (0..8).map(|nth| format!("viewer-{nth}")).collect();
    for name in &names {
        play(&gateway, name).await;
    }
    receiver.told(6).await;
    a_while().await;
    assert_eq!(receiver.posts().len(), 2, "the rest waits for more");
    counts(&gateway, &receiver, "sent", 6).await;
    assert_eq!(gateway.stop().await, Some(0));
    let posts = receiver.posts();
    assert_eq!(posts.iter().map(|post| post.events().len()).collect::<Vec<_>>(), [3, 3, 2]);
    assert_eq!(receiver.events().iter().map(|event| short(event).1).collect::<Vec<_>>(), names);
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &SECRET[6..]).unwrap();
    for post in &posts {
        assert_eq!((post.content_type.as_str(), post.path.as_str()), ("application/cloudevents-batch+json", "/hooks"));
        assert!(post.id.starts_with("msg_") && post.is_signed_with(&key), "{post:?}");
        assert!(!post.is_signed_with(b"another key, of twenty-four"));
        let age = super::program::now() - post.timestamp.parse::<u64>().unwrap();
        assert!(age < 60, "{age} s");
    }
    assert!(posts[0].id != posts[1].id && posts[1].id != posts[2].id);
}

#[tokio::test]
async fn a_batch_that_is_not_accepted_comes_again_under_the_same_id_before_any_other() {
    let origin = Origin::usual().await;
    let receiver = Receiver::that(|nth| Reply::Status([503, 500, 408].get(nth).copied().unwrap_or(200))).await;
    let gateway = start(&origin, &receiver, "batch: 1, flush_interval: 0s, secret: { file: hook.secret }").await;
    play(&gateway, "first").await;
    play(&gateway, "second").await;
    let posts = receiver.posted(5).await;
    let told: Vec<String> = receiver.events().iter().map(|event| short(event).1).collect();
    assert_eq!(told, ["first", "first", "first", "first", "second"]);
    for post in &posts[1..4] {
        assert_eq!((&post.id, &post.body), (&posts[0].id, &posts[0].body));
    }
    assert_ne!(posts[4].id, posts[0].id);
    let waits: Vec<Duration> = posts[..4].windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    for (wait, least) in waits.iter().zip([250, 500, 1000]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
    counts(&gateway, &receiver, "sent", 2).await;
    assert_eq!(gateway.log().matches("webhook delivery failed").count(), 1, "once for all attempts");
    let again = async || gateway.log().contains("webhook accepts events again");
    super::program::until("the log says that all is well", again).await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let origin = Origin::usual().await;
    let receiver = Receiver::that(|nth| if nth == 0 { Reply::After(429, "2") } else { Reply::Status(202) }).await;
    let gateway = start(&origin, &receiver, "flush_interval: 0s").await;
    play(&gateway, "alice").await;
    let posts = receiver.posted(2).await;
    assert!(posts[1].at - posts[0].at >= Duration::from_secs(2));
    assert_eq!((&posts[0].id, &posts[0].signature), (&posts[1].id, &None), "without a secret nothing is signed");
    counts(&gateway, &receiver, "sent", 1).await;
}

#[tokio::test]
async fn what_the_receiver_does_not_want_is_dropped_at_once_and_no_redirect_is_followed() {
    let origin = Origin::usual().await;
    let reply = |nth| {
        [Reply::Status(400), Reply::Status(410), Reply::Elsewhere].get(nth).copied().unwrap_or(Reply::Status(200))
    };
    let receiver = Receiver::that(reply).await;
    let gateway = start(&origin, &receiver, "batch: 1, flush_interval: 0s").await;
    for subject in ["a", "b", "c", "d"] {
        play(&gateway, subject).await;
    }
    counts(&gateway, &receiver, "sent", 1).await;
    counts(&gateway, &receiver, "rejected", 3).await;
    assert_eq!(receiver.posts().len(), 4);
    assert!(receiver.posts().iter().all(|post| post.path == "/hooks"));
}

#[tokio::test]
async fn what_is_not_accepted_in_time_is_dropped_and_what_comes_later_is_told() {
    let origin = Origin::usual().await;
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = is_well.clone();
    let receiver = Receiver::that(move |_| Reply::Status(if asked.load(SeqCst) { 200 } else { 502 })).await;
    let gateway = start(&origin, &receiver, "batch: 1, flush_interval: 0s, max_retry_duration: 1s").await;
    play(&gateway, "early").await;
    counts(&gateway, &receiver, "dropped_retries", 1).await;
    let tried = receiver.posts().len();
    assert!((3..=4).contains(&tried), "{tried} attempts in a second");
    is_well.store(true, SeqCst);
    play(&gateway, "late").await;
    counts(&gateway, &receiver, "sent", 1).await;
    assert_eq!(short(receiver.events().last().unwrap()).1, "late");
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_events_and_no_viewer_waits_for_it() {
    let origin = Origin::usual().await;
    let receiver = Receiver::that(|_| Reply::Never).await;
    let gateway = start(&origin, &receiver, "batch: 1, flush_interval: 0s, queue: 5, timeout: 1h").await;
    play(&gateway, "first").await;
    receiver.posted(1).await;
    let began = Instant::now();
    for nth in 0..40 {
        play(&gateway, &format!("viewer-{nth}")).await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "40 starts took {took:?}");
    counts(&gateway, &receiver, "dropped_queue", 35).await;
    assert_eq!(gateway.metric("streamgate_webhook_queue", &receiver.label()).await, 5);
    assert_eq!((receiver.posts().len(), counted(&gateway, &receiver, "sent").await), (1, 0));
    let began = Instant::now();
    assert_eq!(gateway.stop().await, Some(0), "nor does the end");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_yet_is_told_when_it_is() {
    let origin = Origin::usual().await;
    let port = super::program::free_port();
    let extra = format!("webhooks: [{{ url: \"http://127.0.0.1:{port}/\", flush_interval: 0s }}]\n");
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    play(&gateway, "alice").await;
    super::program::until("the log says so", async || gateway.log().contains("webhook delivery failed")).await;
    assert!(!gateway.log().contains("alice"));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let late = Origin::on(listener, |_| async { super::program::answer(200, "text/plain", "") });
    let sent = format!("hook=\"127.0.0.1:{port}\",result=\"sent\"");
    gateway.counts("streamgate_webhook_events_total", &sent, 1).await;
    assert_eq!(late.seen().len(), 1);
}

#[tokio::test]
async fn a_receiver_behind_tls_is_told_where_its_authority_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let receiver = Origin::tls(config, |_| async { super::program::answer(200, "text/plain", "") }).await;
    let origin = Origin::usual().await;
    let hook =
        format!("webhooks: [{{ url: \"https://localhost:{}/\", flush_interval: 0s }}]\n", receiver.address.port());
    let label = format!("hook=\"localhost:{}\",result=\"sent\"", receiver.address.port());

    let gateway = Setup { extra: hook.clone(), ..Setup::before(&[&origin]) }.start().await;
    play(&gateway, "alice").await;
    super::program::until("the log says so", async || gateway.log().contains("webhook delivery failed")).await;
    assert!(receiver.seen().is_empty(), "nobody is told who is not known");

    let files = vec![("ca.pem", made.cert.pem().into_bytes())];
    let extra = format!("{hook}fetch: {{ ca: ca.pem }}\n");
    let gateway = Setup { files, extra, ..Setup::before(&[&origin]) }.start().await;
    play(&gateway, "alice").await;
    gateway.counts("streamgate_webhook_events_total", &label, 1).await;
    assert_eq!(receiver.seen().len(), 1);
}
