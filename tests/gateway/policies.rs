//! What policies say, as viewers, origins and operators see it.

use serde_json::{Value, json};

use super::support::{Answer, Gateway, Origin, SECRET, Setup, now, sign, until};

/// Claims of alice's token that policies look at.
const IDENTITY: &str = "      token:\n        in: [\"query:token\"]\n        jwt:\n          keys:\n            \
                        - { alg: HS256, secret: { file: tv.hs256 } }\n      idp: acme\n      subject: claim:sub\n      \
                        device: claim:device\n      \
                        attributes: { channel: \"claim:channel\", city: \"claim:city\", contractType: \"claim:plan\" }\n";

async fn gateway(origin: &Origin, rule: &'static str) -> Gateway {
    let identity = IDENTITY.to_owned();
    let streams = "{ min_tenure: 0s }";
    Setup { policy: rule, identity, streams, ..Setup::before(&[origin]) }.start().await
}

/// Alice starts on a device, with these claims besides.
async fn enter(gateway: &Gateway, device: &str, claims: &Value) -> Answer {
    ask(gateway, device, claims, None).await
}

async fn ask(gateway: &Gateway, device: &str, claims: &Value, language: Option<&str>) -> Answer {
    let mut all = json!({ "sub": "alice", "device": device, "exp": now() + 3600 });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let url = gateway.url(&format!("/news/master.m3u8?token={}", sign("HS256", &all, SECRET)));
    let mut request = gateway.client.get(url);
    if let Some(language) = language {
        request = request.header("accept-language", language);
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_rule_counts_by_what_the_token_says_and_names_it_when_it_refuses() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "{ name: per-channel, limit: 1, per: [channel] }").await;
    assert_eq!(enter(&gateway, "tv", &json!({ "channel": "news" })).await.status, 200);
    assert_eq!(enter(&gateway, "phone", &json!({ "channel": "sports" })).await.status, 200);
    let refused = enter(&gateway, "tablet", &json!({ "channel": "news" })).await;
    let problem = refused.problem();
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"));
    assert_eq!(problem["violations"][0]["scope"], json!({ "channel": "news" }));
    assert_eq!(
        problem["detail"],
        "This account may watch 1 stream of channel news at once, and 1 is playing. Stop one to start another."
    );
    assert_eq!(problem["streams"].as_array().unwrap().len(), 1, "who watches something else is not concerned");
}

#[tokio::test]
async fn devices_are_counted_once_each() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "{ name: devices, limit: 2, count: distinct(city) }").await;
    for (device, city) in [("tv", "Oslo"), ("phone", "Oslo"), ("tablet", "Rome")] {
        assert_eq!(enter(&gateway, device, &json!({ "city": city })).await.status, 200);
    }
    let refused = enter(&gateway, "laptop", &json!({ "city": "Bonn" })).await.problem();
    let violation = &refused["violations"][0];
    assert_eq!(
        (&violation["attribute"], &violation["threshold"], &violation["counted"]),
        (&json!("city"), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn the_limit_is_that_of_the_plan_in_the_token() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "{ name: plan, limits: { premium: 2, basic: 1, default: 1 } }").await;
    for (device, status) in [("tv", 200), ("phone", 200), ("tablet", 403)] {
        assert_eq!(enter(&gateway, device, &json!({ "plan": "premium" })).await.status, status);
    }
    let refused = enter(&gateway, "phone-2", &json!({ "plan": "basic" })).await.problem();
    assert_eq!(refused["violations"][0]["threshold"], 1);
}

#[tokio::test]
async fn the_viewer_reads_the_rules_own_words_in_a_language_of_theirs() {
    let origin = Origin::usual().await;
    let rule = "{ name: one, limit: 1, message: { en: 'Only {limit} screen may watch {channel}.', de: 'Nur {limit} \
                Bildschirm für {channel}.' } }";
    let gateway = gateway(&origin, rule).await;
    let news = json!({ "channel": "News 24" });
    assert_eq!(enter(&gateway, "tv", &news).await.status, 200);
    for (asked, language, text) in [
        (Some("de-AT, en;q=0.5"), "de", "Nur 1 Bildschirm für News 24."),
        (Some("fr, en-GB;q=0.8"), "en", "Only 1 screen may watch News 24."),
        (Some("tlh"), "en", "Only 1 screen may watch News 24."),
        (None, "en", "Only 1 screen may watch News 24."),
    ] {
        let refused = ask(&gateway, "phone", &news, asked).await;
        let problem = refused.problem();
        assert_eq!(
            (&problem["detail"], &problem["violations"][0]["message"]),
            (&json!(text), &json!(text)),
            "{asked:?}"
        );
        assert_eq!(refused.header("content-language"), language, "{asked:?}");
        assert_eq!(refused.header("vary"), "Accept-Language");
    }
}

#[tokio::test]
async fn a_start_that_lacks_what_a_rule_demands_is_told_to_supply_it() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "{ name: per-channel, limit: 1, per: [channel], missing: refuse }").await;
    let refused = enter(&gateway, "tv", &json!({})).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "attribute-missing"));
    let obligation = json!([{ "namespace": "streamgate", "action": "supply", "arguments": ["channel"] }]);
    assert_eq!(refused.problem()["obligations"], obligation);
    assert!(refused.problem()["detail"].as_str().unwrap().contains("channel"));
    gateway.counts("streamgate_policy_violations_total", "effect=\"lack\"", 1).await;
    assert_eq!(enter(&gateway, "tv", &json!({ "channel": "news" })).await.status, 200);
}

#[tokio::test]
async fn a_live_channel_is_one_once_its_playlist_has_come() {
    let origin = Origin::usual().await;
    let rule = "{ name: one-live, limit: 1, target: 'contentType == \"live\"', when_exceeded: deny_newest }";
    let gateway = gateway(&origin, rule).await;
    // What the multivariant playlist leads to is not known yet, so that both start.
    let first = enter(&gateway, "tv", &json!({})).await.prefix();
    let second = enter(&gateway, "phone", &json!({})).await.prefix();
    for prefix in [&first, &second] {
        assert_eq!(gateway.get(&format!("{prefix}/news/720p.m3u8")).await.status, 200);
    }
    let refused = gateway.get(&format!("{second}/news/1.ts")).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"), "two are too many");
    assert_eq!(refused.problem()["streams"][0]["device"], "tv");
    let refusal = refused.problem()["refusal"].as_str().unwrap().to_owned();
    until("the log says why", async || {
        gateway.log().lines().any(|line| line.contains("explanation") && line.contains(&refusal))
    })
    .await;
    assert_eq!(gateway.get(&format!("{first}/news/1.ts")).await.status, 200, "one is not");
    let told = gateway.get(&format!("{second}/news/2.ts")).await;
    assert_eq!(told.problem_type(), "stream-terminated");
    let problem = told.problem();
    assert_eq!((&problem["cause"], &problem["violations"][0]["rule"]), (&json!("refused"), &json!("one-live")));
    gateway.counts("streamgate_terminations_total", "cause=\"refused\"", 1).await;
}

#[tokio::test]
async fn shadow_counts_what_it_would_do_and_what_other_limits_would_have_done() {
    let origin = Origin::usual().await;
    let rule = "{ name: one, limit: 1, mode: shadow }";
    let gateway = gateway(&origin, rule).await;
    for device in ["tv", "phone", "tablet"] {
        assert_eq!(enter(&gateway, device, &json!({})).await.status, 200);
    }
    gateway.counts("streamgate_policy_violations_total", "effect=\"refuse\",mode=\"shadow\"", 2).await;
    let within = async |limit: &str| {
        let labels = format!("rule=\"one\",le=\"{limit}\"");
        gateway.metric("streamgate_policy_required_limit_bucket", &labels).await
    };
    assert_eq!([within("1").await, within("2").await, within("3").await, within("+Inf").await], [1, 2, 3, 3]);
}

#[tokio::test]
async fn what_must_not_change_in_the_middle_of_a_play_does_not() {
    let origin = Origin::usual().await;
    let rule = "{ name: per-channel, limit: 1, per: [channel] }";
    let identity = format!("{IDENTITY}      stream: claim:sid\n");
    let gateway = Setup { policy: rule, identity, ..Setup::before(&[&origin]) }.start().await;
    let token = |sid: &str, channel: &str| {
        let claims = json!({ "sub": "alice", "device": sid, "sid": sid, "channel": channel, "exp": now() + 3600 });
        sign("HS256", &claims, SECRET)
    };
    let get = async |path: &str, token: String| gateway.get(&format!("{path}?token={token}")).await.status;
    assert_eq!(get("/news/master.m3u8", token("a", "news")).await, 200);
    assert_eq!(get("/news/master.m3u8", token("b", "sports")).await, 200);
    // A token that calls the stream of channel news one of channel sports, to make room for another on news.
    assert_eq!(get("/news/1.ts", token("a", "sports")).await, 200);
    gateway.counts("streamgate_immutable_attribute_changes_total", "attribute=\"channel\"", 1).await;
    assert_eq!(get("/news/master.m3u8", token("c", "news")).await, 403, "a still plays news");
}
