//! Other hooks while the gateway serves.

use super::program::{Gateway, Origin, Setup, until};
use super::receiver::{Receiver, Reply, a_while, short};

async fn reload(gateway: &Gateway, from: &str, to: &str, revision: i64) {
    let file = gateway.folder.path().join("streamgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    std::fs::write(&file, text.replace(from, to)).unwrap();
    gateway.signal("HUP");
    until("it is in force", async || {
        assert!(!gateway.log().contains("configuration refused"), "{}", gateway.log());
        gateway.metric("streamgate_config_revision", "").await == revision
    })
    .await;
    let line = format!("\"revision\":{revision},");
    until("the log says so", async || gateway.log().contains(&line)).await;
}

#[tokio::test]
async fn hooks_come_and_go_and_one_that_stays_keeps_its_queue() {
    let origin = Origin::usual().await;
    // It answers the first batch after the reload.
    let (stays, goes, comes) = (
        Receiver::that(|nth| if nth == 0 { Reply::After(503, "4") } else { Reply::Status(200) }).await,
        Receiver::new().await,
        Receiver::new().await,
    );
    let hook = |receiver: &Receiver, wait| format!("{{ url: \"{}\", flush_interval: {wait} }}", receiver.url());
    let (stays_as, goes_as) = (hook(&stays, "0s"), hook(&goes, "30m"));
    let extra = format!("webhooks: [{goes_as}, {stays_as}]\n");
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    gateway.enter("/news/master.m3u8", "tv").await;
    stays.posted(1).await;
    gateway.enter("/news/master.m3u8", "phone").await;
    assert!(goes.posts().is_empty(), "it waits for more");

    let gone = format!("[{goes_as}, {stays_as}]");
    reload(&gateway, &gone, &format!("[{stays_as}, {}]", hook(&comes, "0s")), 2).await;
    let farewell = goes.told(2).await;
    assert_eq!(short(&farewell[1]).1, "phone", "what it was to hear before it went");
    assert_eq!(gateway.enter("/news/master.m3u8", "tablet").await.status, 403);
    let told = comes.told(1).await;
    assert_eq!(short(&told[0]), ("refused".to_owned(), "tablet".to_owned()));
    until("it has heard of everything", async || stays.events().len() >= 4).await;
    let heard: Vec<String> = stays.events().iter().map(|event| short(event).1).collect();
    assert_eq!(heard, ["tv", "tv", "phone", "tablet"], "the first one twice");
    a_while().await;
    assert_eq!(goes.events().len(), 2);
    let gauges =
        gateway.client.get(format!("http://{}/metrics", gateway.control)).send().await.unwrap().text().await.unwrap();
    let of_queues: Vec<&str> = gauges.lines().filter(|line| line.starts_with("streamgate_webhook_queue{")).collect();
    assert!(of_queues.len() == 2 && !of_queues.iter().any(|line| line.contains(&goes.label())), "{of_queues:?}");

    reload(&gateway, "webhooks: ", "#webhooks: ", 3).await;
    gateway.enter("/news/master.m3u8", "watch").await;
    a_while().await;
    assert_eq!(comes.events().len(), 1, "nobody is told any more");
}
