//! The program itself: what it was told, and telling it something else.

use reqwest::Method;

use super::program::{SECRET, SESSION, replace_file};
use super::support::{Config, OPERATOR, Program, READER};

fn write(program: &Program, text: &str) {
    replace_file(&program.folder.path().join("streamgate.yaml"), text);
}

#[tokio::test]
async fn the_configuration_is_shown_in_full_and_without_any_secret() {
    let hook = "webhooks: [{ url: \"https://127.0.0.1:9/hook?key=hush-hush\", secret: { env: PATH } }]\n";
    let program = Config { extra: hook, ..Config::default() }.start().await;
    let shown = program.look("/config").await;
    assert_eq!(shown["revision"], 1);
    let config = &shown["config"];
    assert_eq!(config["control"]["tokens"][1]["secret"]["file"], "operator", "where it comes from is shown");
    assert_eq!(config["webhooks"][0]["secret"]["env"], "PATH");
    assert_eq!(config["webhooks"][0]["url"], "https://127.0.0.1:9/hook?[hidden]");
    assert_eq!(config["streams"]["tombstone"], "3m", "defaults are filled in");
    assert_eq!(config["limits"]["keep_alive"].as_str().map(str::is_empty), Some(false));
    assert!(config["threads"].as_u64().unwrap() > 0);
    let text = shown.to_string();
    let path = std::env::var("PATH").unwrap();
    for secret in [SECRET, SESSION, READER.as_bytes(), OPERATOR.as_bytes(), b"hush-hush", path.as_bytes()] {
        let secret = std::str::from_utf8(secret).unwrap();
        assert!(!text.contains(secret) && !text.contains(&secret.replace(' ', "-")), "{secret}");
    }
}

#[tokio::test]
async fn a_reload_tells_what_came_of_it() {
    let program = Config::default().start().await;
    assert_eq!(program.act(Method::POST, "/reload", None).await["result"], "unchanged");

    let text = Config { limit: 3, ..Config::default() }.text(program.address, program.control, &program.origin);
    write(&program, &text.replace("streams: {}", "streams: { capacity: 7 }"));
    let applied = program.act(Method::POST, "/reload", None).await;
    assert_eq!((applied["result"].as_str(), applied["revision"].as_u64()), (Some("applied"), Some(2)));
    assert_eq!(applied["changed"], serde_json::json!(["policies", "streams"]));
    assert_eq!(applied["at_next_start"], serde_json::json!(["streams.capacity"]));
    let config = program.look("/config").await;
    let capacity = config["config"]["streams"]["capacity"].as_u64();
    assert_eq!((config["revision"].as_u64(), capacity), (Some(2), Some(1_000_000)));
    assert_eq!(config["config"]["policies"]["household"]["rules"][0]["limit"], 3);

    write(&program, &text.replace("limit: 3", "limit: none").replace("idp: acme", "idpp: acme"));
    let refused = program.ask(Method::POST, "/reload", OPERATOR, None).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (422, "configuration-refused"));
    assert!(refused.problem()["reasons"].as_array().unwrap().len() >= 2, "{}", refused.text());
    assert_eq!(program.look("/status").await["revision"], 2, "the one before goes on");
    for device in ["tv-1", "tv-2", "tv-3"] {
        program.watch("alice", device, "news").await;
    }
}

#[tokio::test]
async fn a_drain_sends_load_balancers_away_and_nobody_else_until_it_is_over() {
    let program = Config::default().start().await;
    let ready =
        async || program.client.get(format!("http://{}/readyz", program.control)).send().await.unwrap().status();
    assert_eq!(program.act(Method::POST, "/drain", None).await["draining"], true);
    assert_eq!(ready().await, 503);
    assert_eq!(program.look("/status").await["draining"], true);
    program.watch("alice", "tv-1", "news").await;
    assert_eq!(program.act(Method::DELETE, "/drain", None).await["draining"], false);
    assert_eq!(ready().await, 200);
}

#[tokio::test]
async fn the_status_counts_streams_by_state() {
    let program = Config::default().start().await;
    program.watch("alice", "tv-1", "news").await;
    program.watch("bob", "tv-1", "news").await;
    assert_eq!(program.play("carol", "tv-1", "news").await.status, 200);
    let status = program.look("/status").await;
    assert_eq!(status["accounts"], 3);
    assert_eq!((status["streams"]["playing"].as_u64(), status["streams"]["reserved"].as_u64()), (Some(2), Some(1)));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}
