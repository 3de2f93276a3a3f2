//! `streamgate demo`, on ports that are free.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::support::{Gateway, free_port, until};

#[tokio::test]
async fn the_demo_starts_without_an_error_on_the_ports_that_it_is_given() {
    let [viewers, control] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let (listen, at) = (viewers.to_string(), control.to_string());
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let arguments = ["demo", "--listen", &listen, "--control", &at];
    let mut gateway = Gateway::command(&arguments, folder, viewers, control, "http");
    gateway.ready().await;
    let said = std::fs::read_to_string(gateway.folder.path().join("out")).unwrap();
    for line in [format!("http://{listen}/live/master.m3u8"), format!("curl http://{at}/api/streams")] {
        assert!(said.contains(&line), "{line}\n{said}");
    }
    let token = said.lines().find_map(|line| line.strip_prefix("KITCHEN='")?.strip_suffix('\'')).unwrap();
    let live = gateway.get(&format!("/live/master.m3u8?token={token}")).await;
    assert_eq!(live.status, 200, "{}", live.text());
    let variant = live.text().lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap().to_owned();
    // The live playlist has a new segment every few seconds: by then keys have been looked at several times.
    let playlist = if variant.starts_with('/') { variant } else { format!("/live/{variant}") };
    let first = gateway.get(&playlist).await;
    assert_eq!(first.status, 200);
    until("the live playlist has moved on", async || gateway.get(&playlist).await.body != first.body).await;
    assert_eq!(gateway.metric("streamgate_key_refreshes_total", "failed").await, 0);
    assert!(
        !gateway.log().contains("\"level\":\"ERROR\"") && !gateway.log().contains("\"level\":\"WARN\""),
        "{}",
        gateway.log()
    );
    assert_eq!(gateway.stop().await, Some(0));
}
