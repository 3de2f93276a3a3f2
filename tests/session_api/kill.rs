//! A viewer chooses what ends so that something else may start.

use serde_json::{Value, json};

use super::support::{
    Answer, Api, Fixture, LASTING, accepted, api, assert_status, keys, result, send, text, violation,
};

const ACCOUNT: &str = "i1/alice";

/// A full account of `demo`, and the codes of its sessions.
async fn full(api: &Api) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for _ in 0..3 {
        let session = api.started("demo", ACCOUNT, &[]).await;
        let code = api.code("demo", ACCOUNT, &session).await;
        all.push((session, code));
    }
    all
}

async fn start_instead(api: &Api, name: &str, lines: &[&str]) -> Answer {
    let call = api.starting("demo", ACCOUNT, &[("channel", "kids-2"), ("deviceName", "Tablet")]);
    send(lines.iter().fold(call, |call, line| call.header(name, *line))).await
}

fn terminator(answer: &Answer) -> Value {
    let (advice, obligations) = result(answer, 410);
    assert!(obligations.is_empty() && advice.len() == 1);
    assert_eq!(keys(&advice[0]), ["message", "terminator", "type"]);
    assert_eq!(advice[0]["type"], "remote-termination");
    assert!(!text(&advice[0]["message"]).is_empty());
    advice[0]["terminator"].clone()
}

#[tokio::test]
async fn c76_a_start_takes_the_place_of_the_session_that_it_names() {
    let api = api().await;
    let all = full(&api).await;
    let new = accepted(&start_instead(&api, "X-Terminate", &[&all[1].1]).await);
    assert_eq!(api.ids("demo", ACCOUNT).await, [all[0].0.clone(), all[2].0.clone(), new.clone()]);
    assert_eq!(api.metadata("demo", ACCOUNT, &new).await["superseded"], all[1].1.as_str());
}

#[tokio::test]
async fn c77_c78_c79_the_victim_is_told_by_whom_as_often_as_it_asks() {
    let api = api().await;
    let all = full(&api).await;
    let new = accepted(&start_instead(&api, "X-Terminate", &[&all[0].1]).await);
    let started = api.running("demo", ACCOUNT).await.iter().find(|stream| stream["sessionId"] == new.as_str()).unwrap()
        ["startTime"]
        .clone();
    let first = api.beat("demo", ACCOUNT, &all[0].0).await;
    let by = terminator(&first);
    assert_eq!(keys(&by), ["applicationName", "channel", "deviceName", "startedAt"], "nothing to kill back with");
    assert_eq!((&by["channel"], &by["deviceName"]), (&json!("kids-2"), &json!("Tablet")));
    assert_eq!(by["applicationName"], "Demo app");
    let at = chrono::DateTime::parse_from_rfc3339(&text(&by["startedAt"])).unwrap().timestamp_millis();
    assert_eq!(json!(at), started);
    for again in [api.beat("demo", ACCOUNT, &all[0].0).await, api.stop("demo", ACCOUNT, &all[0].0).await] {
        assert_eq!((again.status, &again.body), (410, &first.body));
    }
}

#[tokio::test]
async fn c80_when_nobody_remembers_it_is_just_over() {
    let api = Fixture { tombstone: "2s", timers: LASTING, ..Fixture::default() }.start().await;
    let all = full(&api).await;
    accepted(&start_instead(&api, "X-Terminate", &[&all[0].1]).await);
    terminator(&api.beat("demo", ACCOUNT, &all[0].0).await);
    // Asking again would renew the memory, so that there is nothing to look at but the clock.
    let told = super::support::date(&api.listed("demo", ACCOUNT).await, "date");
    api.clock_reaches(told + 4).await;
    assert_status(&api.beat("demo", ACCOUNT, &all[0].0).await, 410);
}

#[tokio::test]
async fn c81_c82_c83_several_codes_come_in_one_line_or_two_under_either_name() {
    for (name, is_one_line) in [("X-Terminate", true), ("X-Terminate", false), ("X-Terminator", true)] {
        let api = api().await;
        let all = full(&api).await;
        let codes = [all[0].1.as_str(), all[1].1.as_str()];
        let joined = codes.join(", ");
        let lines = if is_one_line { vec![joined.as_str()] } else { codes.to_vec() };
        let new = accepted(&start_instead(&api, name, &lines).await);
        assert_eq!(api.ids("demo", ACCOUNT).await, [all[2].0.clone(), new.clone()]);
        assert_eq!(api.metadata("demo", ACCOUNT, &new).await["superseded"], codes.join(","));
        for (session, _) in &all[..2] {
            terminator(&api.beat("demo", ACCOUNT, session).await);
        }
    }
}

#[tokio::test]
async fn c84_c85_c86_a_code_that_names_nothing_of_the_account_that_runs_is_passed_over() {
    let api = api().await;
    let all = full(&api).await;
    let other = api.started("demo", "i1/bob", &[]).await;
    let of_another = api.code("demo", "i1/bob", &other).await;
    api.stop("demo", ACCOUNT, &all[0].0).await;
    let ended = all[0].1.clone();
    let third = api.started("demo", ACCOUNT, &[]).await;
    for code in ["0000000000000000", "x", of_another.as_str(), ended.as_str()] {
        let advice = violation(&start_instead(&api, "X-Terminate", &[code]).await);
        assert_eq!(advice["conflicts"].as_object().unwrap().len(), 3);
    }
    assert_eq!(api.ids("demo", ACCOUNT).await, [all[1].0.clone(), all[2].0.clone(), third]);
    assert!(api.plays("demo", "i1/bob", &other).await);
}

#[tokio::test]
async fn c87_a_start_that_is_refused_all_the_same_kills_nothing() {
    let api = api().await;
    let mut sessions = Vec::new();
    for device in ["d1", "d1", "d2"] {
        sessions.push(api.started("devs", ACCOUNT, &[("deviceId", device)]).await);
    }
    let code = api.code("devs", ACCOUNT, &sessions[0]).await;
    let call = api.starting("devs", ACCOUNT, &[("deviceId", "d3")]);
    let advice = violation(&send(call.header("x-terminate", code)).await);
    assert_eq!(advice["conflicts"]["d1"].as_array().unwrap().len(), 2, "the account as it stands");
    for session in &sessions {
        assert!(api.plays("devs", ACCOUNT, session).await);
    }
}

#[tokio::test]
async fn c88_a_session_that_is_named_ends_although_there_is_room() {
    let api = api().await;
    let session = api.started("demo", ACCOUNT, &[]).await;
    let code = api.code("demo", ACCOUNT, &session).await;
    let new = accepted(&start_instead(&api, "X-Terminate", &[&code]).await);
    assert_eq!(api.ids("demo", ACCOUNT).await, [new]);
    terminator(&api.beat("demo", ACCOUNT, &session).await);
}

#[tokio::test]
async fn c89_one_session_makes_room_for_one() {
    let api = api().await;
    let all = full(&api).await;
    let lines = [all[0].1.as_str()];
    let (one, other) =
        tokio::join!(start_instead(&api, "X-Terminate", &lines), start_instead(&api, "X-Terminate", &lines));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(api.ids("demo", ACCOUNT).await.len(), 3);
}

#[tokio::test]
async fn a_session_that_the_caller_may_not_see_cannot_be_named() {
    let api = api().await;
    let session = api.started("solo", ACCOUNT, &[]).await;
    let code = api.code("solo", ACCOUNT, &session).await;
    accepted(&start_instead(&api, "X-Terminate", &[&code]).await);
    assert!(api.plays("solo", ACCOUNT, &session).await);
}
