//! Configurations that cannot be used: the one before goes on, and the log says why.

use super::program::{Origin, replace_file, until};
use super::support::{Config, Program, keys};

fn refusals(program: &Program) -> Vec<String> {
    let log = program.log();
    log.lines().filter(|line| line.contains("configuration refused")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_reason_is_in_the_log_with_its_place_and_the_one_before_goes_on() {
    let origin = Origin::usual().await;
    let config = Config { limit: 1, ..Config::before(&origin) };
    let program = config.start().await;
    let bad = Config { limit: 0, routes: vec![("/", "mian")], streams: "{ reserve: 0s }", ..config.clone() };
    program.replace(&bad);
    program.reloads("refused", 1).await;
    program.says("streams.reserve").await;
    let told = refusals(&program);
    let file = program.file("streamgate.yaml");
    for place in ["8:33: applications.tv.routes[0].origin", "18:21: streams.reserve"] {
        let place = format!("{}:{place}", file.display());
        assert!(told.iter().any(|line| line.contains(&place) && line.contains("\"ERROR\"")), "{place}: {told:#?}");
    }
    program.enter("/news/master.m3u8", "tv").await;
    assert_eq!(program.enter("/news/master.m3u8", "phone").await.problem_type(), "stream-limit");
    assert_eq!(program.metric("streamgate_config_revision", "").await, 1);

    // A key file is looked at every second: after three changes of it the configuration has been looked at again.
    for nth in 0..3 {
        replace_file(&program.file("tv.hs256"), format!("{nth} a secret of the tests, thirty-two bytes and more"));
        until("the key is read", async || program.log().matches("keys read").count() == nth + 2).await;
    }
    assert_eq!(refusals(&program), told, "said once");
    program.signal("HUP");
    program.reloads("refused", 2).await;
    until("it is said again for one who asks", async || refusals(&program).len() == 2 * told.len()).await;

    program.replace(&Config { limit: 2, ..config });
    until("the good one is in force", async || program.metric("streamgate_config_revision", "").await == 2).await;
}

#[tokio::test]
async fn what_is_no_yaml_and_what_is_not_there_are_refused_until_it_is() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    let whole = program.text(&Config { limit: 1, ..config.clone() });
    program.overwrite(&whole[..whole.len() / 2]);
    program.reloads("refused", 1).await;
    std::fs::remove_file(program.file("streamgate.yaml")).unwrap();
    program.reloads("refused", 2).await;
    program.says("No such file").await;
    assert_eq!(program.enter("/news/master.m3u8", "tv").await.status, 200);
    program.replace(&config);
    program.reloads("unchanged", 1).await;
    program.overwrite(&whole);
    until("the whole is in force", async || program.metric("streamgate_config_revision", "").await == 2).await;
}

#[tokio::test]
async fn what_lacks_a_file_is_applied_when_the_file_has_come() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.replace(&Config { token: keys(&["tv.hs256", "later.hs256"]), limit: 1, ..config });
    program.reloads("refused", 1).await;
    program.says("later.hs256").await;
    replace_file(&program.file("later.hs256"), "a secret that comes later than its configuration");
    until("it is in force", async || program.metric("streamgate_config_revision", "").await == 2).await;
    assert_eq!(program.metric("streamgate_config_reloads_total", "refused").await, 1);
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_is_refused_and_hinders_no_other_change() {
    let origin = Origin::usual().await;
    let config = Config { streams: "{ snapshot: table.snapshot }", limit: 1, ..Config::before(&origin) };
    let program = config.start().await;
    std::fs::create_dir(program.file("other.orders.json")).unwrap();
    program.replace(&Config { streams: "{ snapshot: other.snapshot }", ..config.clone() });
    program.reloads("refused", 1).await;
    program.says("streams.snapshot: `").await;
    program.says("other.orders.json` is a folder").await;
    std::fs::remove_dir(program.file("other.orders.json")).unwrap();
    until("it is in force", async || program.metric("streamgate_config_revision", "").await == 2).await;
    // The disk fails later: limits can be changed all the same.
    std::fs::create_dir(program.file("other.snapshot.unfinished")).unwrap();
    program.replace(&Config { streams: "{ snapshot: other.snapshot }", limit: 2, ..config });
    until("it is in force", async || program.metric("streamgate_config_revision", "").await == 3).await;
}
