//! What other rules mean for streams that play.

use super::program::{Answer, Origin, until};
use super::support::{Config, Program};

/// Two devices play.
async fn two_play(program: &Program) -> [String; 2] {
    let mut prefixes = Vec::new();
    for device in ["tv", "phone"] {
        let prefix = program.enter("/news/master.m3u8", device).await.prefix();
        assert_eq!(media(program, &prefix).await.status, 200);
        prefixes.push(prefix);
    }
    prefixes.try_into().unwrap()
}

async fn media(program: &Program, prefix: &str) -> Answer {
    program.get(&format!("{prefix}/news/1.ts")).await
}

#[tokio::test]
async fn a_smaller_limit_holds_for_starts_and_streams_that_play_go_on() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    let [tv, phone] = two_play(&program).await;
    program.reload(&Config { limit: 1, ..config }, 2).await;
    assert_eq!(program.enter("/news/master.m3u8", "tablet").await.problem()["violations"][0]["threshold"], 1);
    for prefix in [tv, phone] {
        assert_eq!(media(&program, &prefix).await.status, 200);
    }
}

#[tokio::test]
async fn with_a_grace_the_newest_ends_after_it() {
    let origin = Origin::usual().await;
    let config = Config { streams: "{ min_tenure: 0s }", ..Config::before(&origin) };
    let program = config.start().await;
    let [tv, phone] = two_play(&program).await;
    program.reload(&Config { limit: 1, rule: "grace: 1s", ..config }, 2).await;
    program.says("\"ending\":1,").await;
    let ended = async || media(&program, &phone).await.status == 403;
    until("the phone's grace is over", ended).await;
    let problem = media(&program, &phone).await.problem();
    assert_eq!((&problem["cause"], &problem["violations"][0]["rule"]), (&"refused".into(), &"some".into()));
    assert_eq!(media(&program, &tv).await.status, 200);
    assert_eq!(program.metric("streamgate_streams", "tv").await, 1);
}

#[tokio::test]
async fn where_the_latest_win_the_oldest_ends_at_once() {
    let origin = Origin::usual().await;
    let config =
        Config { streams: "{ min_tenure: 0s }", rule: "when_exceeded: terminate_oldest", ..Config::before(&origin) };
    let program = config.start().await;
    let [tv, phone] = two_play(&program).await;
    program.reload(&Config { limit: 1, ..config }, 2).await;
    assert_eq!(media(&program, &tv).await.problem_type(), "stream-terminated");
    assert_eq!(media(&program, &phone).await.status, 200);
}
