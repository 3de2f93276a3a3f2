//! Each proxy's own way to ask, as its documentation and its source have it.

use super::support::{Question, gateway};

const MASTER: &str = "/live/master.m3u8";

#[tokio::test]
async fn nginx_sends_the_uri_that_its_configuration_names() {
    let gateway = gateway().await;
    let answer = Question::about(MASTER).from("tv-1").to(&gateway).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("streamgate-state"), "ok");
    assert_eq!(answer.header("streamgate-application"), "tv");
    assert_eq!(answer.header("streamgate-stream").len(), 36);
    assert_eq!(answer.header("streamgate-account").len(), 16);
    gateway.counts("streamgate_requests_total", "kind=\"playlist\",outcome=\"passed\"", 1).await;
    gateway.counts("streamgate_authz_total", "outcome=\"passed\"", 1).await;
    gateway.counts("streamgate_streams", "tv", 1).await;
}

#[tokio::test]
async fn the_ingress_controller_of_kubernetes_sends_a_whole_url_and_the_method() {
    let gateway = gateway().await;
    let question = Question::new("GET", "/authz")
        .with("X-Original-URL", "https://tv.example/live/master.m3u8")
        .with("X-Original-Method", "GET");
    assert_eq!(question.from("tv-1").status(&gateway).await, 200);
    gateway.counts("streamgate_streams", "tv", 1).await;
}

#[tokio::test]
async fn envoy_sends_the_viewers_request_behind_its_path_prefix() {
    let gateway = gateway().await;
    let question = |method: &str, device: &str| {
        let fields = Question::new(method, "/authz/live/master.m3u8?from=app").from(device);
        fields.with("Host", "tv.example").with("X-Forwarded-For", "203.0.113.9").with("Content-Length", "0")
    };
    assert_eq!(question("GET", "tv-1").status(&gateway).await, 200);
    assert_eq!(question("HEAD", "tv-2").status(&gateway).await, 200);
    gateway.counts("streamgate_streams", "tv", 1).await;
    assert_eq!(question("OPTIONS", "tv-3").status(&gateway).await, 200);
    let post = question("POST", "tv-3").to(&gateway).await;
    assert_eq!((post.status, post.problem_type().as_str()), (403, "method"));
    assert_eq!(Question::new("GET", "/authz/").status(&gateway).await, 200);
}

#[tokio::test]
async fn traefik_sends_method_scheme_host_and_uri_in_forwarded_fields() {
    let gateway = gateway().await;
    let question = Question::new("GET", "/authz")
        .with("X-Forwarded-Method", "GET")
        .with("X-Forwarded-Proto", "https")
        .with("X-Forwarded-Host", "tv.example")
        .with("X-Forwarded-Uri", MASTER)
        .with("X-Forwarded-For", "203.0.113.9");
    assert_eq!(question.from("tv-1").status(&gateway).await, 200);
    gateway.counts("streamgate_streams", "tv", 1).await;
}

#[tokio::test]
async fn caddy_sends_method_and_uri_and_the_viewers_own_host() {
    let gateway = gateway().await;
    let question = Question::new("GET", "/authz")
        .with("Host", "tv.example")
        .with("X-Forwarded-Host", "tv.example")
        .with("X-Forwarded-Proto", "https")
        .with("X-Forwarded-Method", "HEAD")
        .with("X-Forwarded-Uri", MASTER);
    assert_eq!(question.from("tv-1").status(&gateway).await, 200);
    gateway.counts("streamgate_streams", "tv", 0).await;
}

#[tokio::test]
async fn haproxy_and_varnish_may_ask_with_head_and_get_the_same_in_fields() {
    let gateway = gateway().await;
    let ask = |device: &str| Question::new("HEAD", "/authz").with("X-Original-URI", MASTER).from(device);
    assert_eq!(ask("tv-1").status(&gateway).await, 200);
    assert_eq!(ask("tv-2").status(&gateway).await, 200);
    let refused = ask("tv-3").to(&gateway).await;
    assert_eq!((refused.status, refused.text()), (403, ""));
    assert_eq!(refused.header("streamgate-reason"), "stream-limit");
    assert!(refused.header("streamgate-detail").starts_with("This account may watch 2 streams"));
    assert_eq!(refused.header("streamgate-refusal").len(), 16);
}

#[tokio::test]
async fn routes_go_by_the_viewers_host_and_path_and_a_new_configuration_counts_at_once() {
    let gateway = gateway().await;
    let file = gateway.folder.path().join("streamgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("{ path: /, origin: main }", "{ host: tv.example, path: /live, origin: main }"))
        .unwrap();
    gateway.signal("HUP");
    gateway.counts("streamgate_config_revision", "", 2).await;
    for host in ["tv.example", "TV.example:8443"] {
        assert_eq!(
            Question::about(MASTER).with("X-Original-Host", host).from("tv-1").status(&gateway).await,
            200,
            "{host}"
        );
    }
    for (host, uri) in [("other.example", MASTER), ("tv.example", "/paid/master.m3u8"), ("tv.example", "/logo.png")] {
        let answer = Question::about(uri).with("X-Original-Host", host).from("tv-1").to(&gateway).await;
        assert_eq!((answer.status, answer.problem_type().as_str()), (403, "no-route"), "{host}{uri}");
    }
    let nobody = Question::about(MASTER).with("X-Original-Host", "").from("tv-1").to(&gateway).await;
    assert_eq!((nobody.status, nobody.problem_type().as_str()), (403, "no-host"));
}
