//! What operators do, as viewers see it.

use reqwest::Method;
use serde_json::json;

use super::program::{replace_file, until};
use super::support::{Config, OPERATOR, READER};

#[tokio::test]
async fn a_stream_that_is_killed_ends_at_its_next_request_with_the_reason() {
    let program = Config::default().start().await;
    let (news, film) = (program.watch("alice", "tv-1", "news").await, program.watch("alice", "tv-2", "film").await);
    let streams = program.look("/streams?asset=/news/master.m3u8").await;
    let id = streams["streams"][0]["id"].as_str().unwrap();
    let path = format!("/streams/acme/alice/{id}/kill");
    let ended = program.act(Method::POST, &path, Some(&json!({ "reason": "The match is over, é." }))).await;
    assert_eq!(ended["ended"][0]["id"], id);
    assert_eq!(ended["ended"][0]["device"], "tv-1");

    let refused = program.segment(&news, "news").await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-terminated"));
    assert_eq!(refused.problem()["detail"], "This stream was ended: The match is over, é.");
    assert_eq!(program.segment(&film, "film").await.status, 200, "the other one goes on");

    let account = program.look("/accounts/acme/alice").await;
    assert_eq!(account["holding"], 1);
    assert_eq!(account["terminated"][0]["cause"]["cause"], "killed");
    assert_eq!(account["terminated"][0]["cause"]["reason"], "The match is over, é.");
    let what: Vec<&str> =
        account["history"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["terminated", "kill", "refused"]);
    let again = program.ask(Method::POST, &path, OPERATOR, Some(&json!({ "reason": "again" }))).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn all_streams_of_an_account_end_at_once() {
    let program = Config::default().start().await;
    let plays = [program.watch("alice", "tv-1", "news").await, program.watch("alice", "tv-2", "news").await];
    let other = program.watch("bob", "tv-1", "news").await;
    let ended = program.act(Method::POST, "/accounts/acme/alice/kill", Some(&json!({ "reason": "enough" }))).await;
    assert_eq!(ended["ended"].as_array().unwrap().len(), 2);
    for play in plays {
        assert_eq!(program.segment(&play, "news").await.status, 403);
    }
    assert_eq!(program.segment(&other, "news").await.status, 200);
    assert_eq!(program.play("alice", "tv-1", "news").await.status, 200, "it may start again");
    let none = program.act(Method::POST, "/accounts/acme/nobody/kill", Some(&json!({ "reason": "enough" }))).await;
    assert_eq!(none["ended"], json!([]));
}

#[tokio::test]
async fn a_blocked_account_is_shut_out_until_the_block_is_lifted() {
    let program = Config::default().start().await;
    let play = program.watch("alice", "tv-1", "news").await;
    let given = program.block("accounts/acme/alice", 3600, "Please call us.").await;
    assert_eq!(given["survives_restart"], false, "there is no snapshot");
    assert_eq!(given["order"]["by"], "boss");
    for refused in [program.segment(&play, "news").await, program.play("alice", "tv-9", "news").await] {
        assert_eq!((refused.status, refused.problem_type().as_str()), (403, "blocked"));
        assert_eq!(refused.problem()["detail"], "Please call us.");
        assert_eq!(refused.problem()["until"].as_str().unwrap()[..19], given["order"]["until"].as_str().unwrap()[..19]);
    }
    assert_eq!(program.play("bob", "tv-1", "news").await.status, 200);
    let account = program.look("/accounts/acme/alice").await;
    assert_eq!(account["blocked"]["reason"], "Please call us.");
    assert_eq!(account["blocks"][0]["about"], "account");
    assert_eq!(program.look("/blocks").await["orders"].as_array().unwrap().len(), 1);
    assert_eq!(program.look("/blocks/accounts/acme/alice").await["reason"], "Please call us.");

    program.act(Method::DELETE, "/blocks/accounts/acme/alice", None).await;
    assert_eq!(program.segment(&play, "news").await.status, 200);
    assert_eq!(program.ask(Method::DELETE, "/blocks/accounts/acme/alice", OPERATOR, None).await.status, 404);
    assert_eq!(program.ask(Method::GET, "/blocks/accounts/acme/alice", READER, None).await.status, 404);
}

#[tokio::test]
async fn a_block_ends_by_itself_and_a_shorter_one_takes_the_place_of_a_longer() {
    let program = Config::default().start().await;
    program.block("accounts/acme/alice", 3600, "long").await;
    program.block("accounts/acme/alice", 2, "short").await;
    assert_eq!(program.play("alice", "tv-1", "news").await.problem()["detail"], "short");
    until("the block is over", async || program.play("alice", "tv-1", "news").await.status == 200).await;
    assert_eq!(program.look("/blocks").await["orders"], json!([]));
}

#[tokio::test]
async fn a_device_or_a_play_session_is_blocked_and_nothing_else() {
    let program = Config::default().start().await;
    let (one, other) = (program.watch("alice", "tv%2F1", "news").await, program.watch("alice", "tv-2", "film").await);
    program.block("devices/acme/alice/tv%252F1", 60, "stolen").await;
    assert_eq!(program.segment(&one, "news").await.problem()["detail"], "stolen", "the name has a percent sign in it");
    assert_eq!(program.segment(&other, "film").await.status, 200);
    let streams = program.look("/streams?device=tv-2").await;
    let id = streams["streams"][0]["id"].as_str().unwrap();
    program.block(&format!("sessions/{id}"), 60, "this one").await;
    assert_eq!(program.segment(&other, "film").await.problem()["detail"], "this one");
    let again = program.play("alice", "tv-2", "film").await.prefix();
    assert_eq!(program.segment(&again, "film").await.problem()["detail"], "this one", "it goes on as the same stream");
    assert_eq!(program.play("alice", "tv-3", "third").await.problem_type(), "stream-limit");
}

#[tokio::test]
async fn an_exempt_account_may_watch_more_for_a_time() {
    let program = Config::default().start().await;
    for device in ["tv-1", "tv-2"] {
        program.watch("alice", device, "news").await;
    }
    assert_eq!(program.play("alice", "tv-3", "news").await.problem_type(), "stream-limit");
    let wanted = json!({ "seconds": 3600, "reason": "a party" });
    program.act(Method::PUT, "/exemptions/acme/alice", Some(&wanted)).await;
    let mut plays = Vec::new();
    for device in ["tv-3", "tv-4", "tv-5"] {
        plays.push(program.watch("alice", device, "news").await);
    }
    let account = program.look("/accounts/acme/alice").await;
    assert_eq!((account["holding"].as_u64(), account["exemption"]["reason"].as_str()), (Some(5), Some("a party")));
    assert_eq!(program.look("/status").await["exemptions"], 1);

    program.act(Method::DELETE, "/exemptions/acme/alice", None).await;
    for play in &plays {
        assert_eq!(program.segment(play, "news").await.status, 200, "what plays goes on");
    }
    assert_eq!(program.play("alice", "tv-6", "news").await.problem_type(), "stream-limit");
}

#[tokio::test]
async fn blocks_and_exemptions_outlive_a_crash() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let config = || Config { streams: "{ snapshot: state.jsonl }", ..Config::default() };
    let program = config().start_in(folder.clone()).await;
    assert_eq!(program.block("accounts/acme/alice", 3600, "blocked for an hour").await["survives_restart"], true);
    program.block("accounts/acme/carol", 1, "blocked for a second").await;
    program.act(Method::PUT, "/exemptions/acme/bob", Some(&json!({ "seconds": 3600, "reason": "a party" }))).await;
    let until_then = program.look("/blocks/accounts/acme/alice").await;
    program.gateway.crash().await;

    let program = config().start_in(folder).await;
    assert_eq!(program.play("alice", "tv-1", "news").await.problem()["detail"], "blocked for an hour");
    assert_eq!(program.look("/blocks/accounts/acme/alice").await, until_then);
    for device in ["tv-1", "tv-2", "tv-3"] {
        program.watch("bob", device, "news").await;
    }
    until("the short block is over", async || program.play("carol", "tv-1", "news").await.status == 200).await;
}

#[tokio::test]
async fn a_reload_lifts_no_block() {
    let program = Config::default().start().await;
    program.block("accounts/acme/alice", 3600, "blocked").await;
    let text = Config { limit: 3, ..Config::default() }.text(program.address, program.control, &program.origin);
    replace_file(&program.folder.path().join("streamgate.yaml"), text);
    assert_eq!(program.act(Method::POST, "/reload", None).await["result"], "applied");
    assert_eq!(program.play("alice", "tv-1", "news").await.problem_type(), "blocked");
}
