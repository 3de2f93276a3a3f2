//! Why was this refused?

use reqwest::Method;
use serde_json::json;

use super::program::{replace_file, until};
use super::support::{Config, READER};

#[tokio::test]
async fn a_refusal_by_policy_is_explained_by_its_id() {
    let program = Config::default().start().await;
    for device in ["tv-1", "tv-2"] {
        program.watch("alice", device, "news").await;
    }
    let told = program.play("alice", "tv-3", "film").await.problem();
    let id = told["refusal"].as_str().unwrap();
    let refusal = program.look(&format!("/refusals/{id}")).await;
    assert_eq!(refusal["problem"], told, "what the viewer was told");
    assert_eq!((refusal["reason"].as_str(), refusal["application"].as_str()), (Some("limit"), Some("tv")));
    assert_eq!(refusal["account"], json!({ "idp": "acme", "subject": "alice" }));
    assert_eq!((refusal["device"].as_str(), refusal["asset"].as_str()), (Some("tv-3"), Some("/film/master.m3u8")));
    assert_eq!(refusal["explained"], id);
    assert_eq!(refusal["explanation"]["running"].as_array().unwrap().len(), 2);
    let rule = &refusal["explanation"]["policies"][0]["rules"][0];
    assert_eq!((rule["result"].as_str(), rule["count"]["with_candidate"].as_u64()), (Some("exceeded"), Some(3)));
    let text = refusal["text"].as_str().unwrap();
    assert!(text.contains("household / streams (enforce): exceeded; 3 of at most 2 (streamId): refuse"), "{text}");
    assert!(text.contains("tv /news/master.m3u8 on tv-1"), "{text}");

    // The next one rests on the same, and says so.
    let again = program.play("alice", "tv-3", "film").await.problem();
    let refusal = program.look(&format!("/refusals/{}", again["refusal"].as_str().unwrap())).await;
    assert_eq!(refusal["explained"], id);
    assert_eq!(refusal["explanation"]["outcome"], "refused");
    let history = program.look("/accounts/acme/alice").await["history"].clone();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    assert_eq!((history[0]["times"].as_u64(), history[0]["refusal"].clone()), (Some(2), again["refusal"].clone()));
}

#[tokio::test]
async fn every_other_refusal_has_an_answer_too() {
    let program = Config::default().start().await;
    let play = program.watch("alice", "tv-1", "news").await;
    let mut told = vec![
        (program.get("/news/master.m3u8").await, "no_token"),
        (program.get("/news/master.m3u8?token=a.b.c").await, "malformed"),
        (program.get("/~s/broken/news/a.ts").await, "malformed"),
    ];
    program.block("accounts/acme/alice", 60, "blocked").await;
    told.push((program.segment(&play, "news").await, "blocked"));
    for (answer, reason) in &told {
        let problem = answer.problem();
        let refusal = program.look(&format!("/refusals/{}", problem["refusal"].as_str().unwrap())).await;
        assert_eq!(refusal["problem"], problem);
        assert_eq!(refusal["reason"], *reason);
        assert!(refusal["explanation"].is_null());
        assert!(refusal["text"].as_str().unwrap().contains(problem["detail"].as_str().unwrap()));
    }
    let last = told.last().unwrap().0.problem();
    let blocked = program.look(&format!("/refusals/{}", last["refusal"].as_str().unwrap())).await;
    assert_eq!(blocked["account"]["subject"], "alice");
}

#[tokio::test]
async fn an_id_that_nobody_knows_is_not_found_and_it_says_how_long_they_are_kept() {
    let program = Config::default().start().await;
    for id in ["0000000000000000", "x", "00000000000000000", "+000000000000000", "%00", "é"] {
        let answer = program.ask(Method::GET, &format!("/refusals/{id}"), READER, None).await;
        assert_eq!(answer.status, 404, "{id}");
        assert!(answer.problem()["detail"].as_str().unwrap().contains("kept for 1h"), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_a_rule_in_shadow_mode_would_have_done_is_told_like_a_refusal_and_marked() {
    let program = Config::default().start().await;
    let text = Config { limit: 1, ..Config::default() }.text(program.address, program.control, &program.origin);
    for (when_exceeded, verdict, other) in
        [("deny_newest", "would_refuse", "bob"), ("terminate_oldest", "would_terminate", "carol")]
    {
        let text = text
            .replace("limit: 1,", "limit: 1, mode: shadow,")
            .replace("when_exceeded: deny_newest", &format!("when_exceeded: {when_exceeded}"))
            .replace("streams: {}", "streams: { min_tenure: 0s }");
        replace_file(&program.folder.path().join("streamgate.yaml"), text);
        assert_eq!(program.act(Method::POST, "/reload", None).await["result"], "applied");
        for device in ["tv-1", "tv-2"] {
            program.watch(other, device, "news").await;
        }
        let account = program.look(&format!("/accounts/acme/{other}")).await;
        let history = &account["history"];
        assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
        assert_eq!((&history[0]["what"], &history[0]["device"]), (&json!(verdict), &json!("tv-2")));
        let id = history[0]["refusal"].as_str().unwrap();
        let refusal = program.look(&format!("/refusals/{id}")).await;
        assert_eq!((&refusal["verdict"], &refusal["reason"]), (&json!(verdict), &json!("limit")));
        assert_eq!(refusal["account"], json!({ "idp": "acme", "subject": other }));
        assert!(refusal["problem"].is_null(), "no viewer was told anything");
        let rule = &refusal["explanation"]["policies"][0]["rules"][0];
        assert_eq!((&rule["result"], &rule["mode"]), (&json!("exceeded"), &json!("shadow")));
        let text = refusal["text"].as_str().unwrap();
        assert!(text.contains("would have") && text.contains("Playback was allowed"), "{text}");

        until("it is in the log", async || program.log().contains(id)).await;
        let log = program.log();
        let line = log.lines().find(|line| line.contains(id)).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["verdict"], &line["account"]), (&json!(verdict), &account["label"]));
        assert_eq!(line["rules"], "household/streams (shadow)");
        let explanation: serde_json::Value = serde_json::from_str(line["explanation"].as_str().unwrap()).unwrap();
        assert_eq!(explanation, refusal["explanation"]);
        assert!(!line.to_string().contains(&format!("\"{other}\"")), "the log names no subject: {line}");
    }
}

#[tokio::test]
async fn a_rule_in_shadow_mode_sees_the_stream_that_another_rule_ends() {
    let program = Config::default().start().await;
    let text = Config { limit: 1, ..Config::default() }.text(program.address, program.control, &program.origin);
    let text = text
        .replace(
            "when_exceeded: deny_newest }] } }",
            "when_exceeded: terminate_oldest }] }, \
                  second: { mode: shadow, rules: [{ name: one, limit: 1, when_exceeded: deny_newest }] } }",
        )
        .replace("policies: [household]", "policies: [household, second]")
        .replace("streams: {}", "streams: { min_tenure: 0s }");
    replace_file(&program.folder.path().join("streamgate.yaml"), text);
    assert_eq!(program.act(Method::POST, "/reload", None).await["result"], "applied");
    for device in ["tv-1", "tv-2"] {
        program.watch("alice", device, "news").await;
    }
    let history = program.look("/accounts/acme/alice").await["history"].clone();
    let would = history.as_array().unwrap().iter().find(|one| one["what"] == "would_refuse").unwrap();
    let refusal = program.look(&format!("/refusals/{}", would["refusal"].as_str().unwrap())).await;
    let explanation = &refusal["explanation"];
    assert_eq!(explanation["running"].as_array().unwrap().len(), 1, "{explanation}");
    let rule = |nth: usize| &explanation["policies"][nth]["rules"][0];
    assert_eq!((&rule(0)["result"], &rule(1)["result"]), (&json!("exceeded"), &json!("exceeded")), "{explanation}");
}

#[tokio::test]
async fn a_stream_that_gave_way_stands_in_the_history() {
    let program = Config::default().start().await;
    let text = Config::default().text(program.address, program.control, &program.origin);
    let text = text
        .replace("when_exceeded: deny_newest", "when_exceeded: terminate_oldest")
        .replace("streams: {}", "streams: { min_tenure: 0s }");
    replace_file(&program.folder.path().join("streamgate.yaml"), text);
    program.act(Method::POST, "/reload", None).await;
    for device in ["tv-1", "tv-2", "tv-3"] {
        program.watch("alice", device, "news").await;
    }
    let account = program.look("/accounts/acme/alice").await;
    let history = account["history"].as_array().unwrap();
    assert_eq!(history.len(), 1, "{account}");
    assert_eq!((history[0]["what"].as_str(), history[0]["device"].as_str()), (Some("terminated"), Some("tv-1")));
    assert_eq!(history[0]["cause"]["cause"], "evicted");
    assert_eq!(history[0]["cause"]["rule"], "streams");
    let ids = program.streams("alice").await;
    assert!(ids.contains(&history[0]["cause"]["by"].as_str().unwrap().to_owned()));
}
