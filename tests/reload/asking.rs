//! How the gateway learns that there is another configuration.

use super::program::{Origin, SECRET, replace_file, until};
use super::support::{Config, servers};

#[tokio::test]
async fn a_hangup_puts_another_configuration_in_force() {
    let (origin, other) = (Origin::usual().await, Origin::usual().await);
    let config = Config::before(&origin);
    let program = config.start().await;
    assert_eq!(program.metric("streamgate_config_revision", "").await, 1);
    let began = program.metric("streamgate_config_last_reload_success_timestamp_seconds", "").await;
    let first = program.enter("/news/master.m3u8", "tv").await;
    assert_eq!(first.status, 200);
    let origins = vec![("main", servers(&origin)), ("films", servers(&other))];
    let config = Config { origins, routes: vec![("/", "main"), ("/film", "films")], limit: 1, ..config };
    program.reload(&config, 2).await;
    program.says("\"changed\":\"applications, origins, policies\"").await;
    program.reloads("applied", 1).await;
    assert!(program.metric("streamgate_config_last_reload_success_timestamp_seconds", "").await >= began);
    assert_eq!(program.enter("/film/master.m3u8", "phone").await.problem_type(), "stream-limit", "one, not two");
    assert_eq!(program.enter("/film/master.m3u8", "tv").await.status, 200, "the same device goes on to something else");
    assert_eq!(other.last().target, "/film/master.m3u8");
}

#[tokio::test]
async fn a_hangup_looks_into_the_files_that_the_configuration_names() {
    let origin = Origin::usual().await;
    let program = Config::before(&origin).start().await;
    let prefix = program.enter("/news/master.m3u8", "tv").await.prefix();
    replace_file(&program.file("session.key"), "yet another secret, for play sessions, as long as it has to be");
    program.signal("HUP");
    program.applied(2).await;
    program.says("\"changed\":\"sessions\"").await;
    let fresh = program.enter("/news/master.m3u8", "tv").await.prefix();
    assert_ne!(prefix, fresh);
}

#[tokio::test]
async fn a_hangup_without_anything_new_changes_nothing() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.signal("HUP");
    program.reloads("unchanged", 1).await;
    program.overwrite(&format!("# A word to those who come after us.\n{}", program.text(&config)));
    program.reloads("unchanged", 2).await;
    assert_eq!(program.metric("streamgate_config_revision", "").await, 1);
    assert_eq!(program.metric("streamgate_config_reloads_total", "").await, 2);
}

#[tokio::test]
async fn a_file_that_is_written_over_is_seen_without_a_signal() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.overwrite(&program.text(&Config { limit: 1, ..config }));
    program.applied(2).await;
    program.enter("/news/master.m3u8", "tv").await;
    assert_eq!(program.enter("/news/master.m3u8", "phone").await.problem_type(), "stream-limit");
}

#[tokio::test]
async fn a_file_and_a_link_that_are_put_in_its_place_are_seen() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.replace(&Config { limit: 3, ..config.clone() });
    program.applied(2).await;
    program.relink(&Config { limit: 4, ..config.clone() }, "..first");
    program.applied(3).await;
    program.relink(&Config { limit: 1, ..config }, "..second");
    program.applied(4).await;
    program.enter("/news/master.m3u8", "tv").await;
    assert_eq!(program.enter("/news/master.m3u8", "phone").await.problem_type(), "stream-limit");
}

#[tokio::test]
async fn a_hangup_before_the_gateway_serves_does_not_end_it() {
    let origin = Origin::usual().await;
    let mut program = Config::before(&origin).start_early();
    let status = format!("/proc/{}/status", program.child.id());
    until("SIGHUP is caught", async || {
        let text = std::fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1
    })
    .await;
    program.signal("HUP");
    program.gateway.ready().await;
    program.reloads("unchanged", 1).await;
}

#[tokio::test]
async fn what_is_logged_follows() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.get("/one.html").await;
    program.says("/one.html").await;
    program.replace(&Config { log: "{ level: error }", ..config.clone() });
    program.signal("HUP");
    program.reloads("applied", 1).await;
    program.get("/two.html").await;
    program.counts("streamgate_requests_total", "other", 2).await;
    program.reload(&Config { log: "{ level: debug, access: false }", ..config.clone() }, 3).await;
    program.get("/three.html").await;
    program.counts("streamgate_requests_total", "other", 3).await;
    program.reload(&config, 4).await;
    program.get("/four.html").await;
    program.says("/four.html").await;
    let log = program.log();
    assert!(!log.contains("/two.html") && !log.contains("\"path\":\"/three.html") && !log.contains("\"revision\":2,"));
    assert!(!log.contains(std::str::from_utf8(SECRET).unwrap()));
}
