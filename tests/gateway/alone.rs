//! The control port alone: configurations that serve no viewer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::support::{Gateway, SESSION, command, free_port};

const SESSIONS: &str = "sessions: { keys: [{ id: 1, secret: { file: session.key } }] }\nshutdown: { grace: 0s }\n";

async fn serves(applications: &str) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let control = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = format!(
        "control: {{ address: {control} }}\napplications:\n{applications}policies:\n  cap: {{ rules: [{{ name: two, limit: 2 }}] }}\n{SESSIONS}"
    );
    std::fs::write(folder.path().join("session.key"), SESSION).unwrap();
    std::fs::write(folder.path().join("tv.hs256"), super::support::SECRET).unwrap();
    std::fs::write(folder.path().join("streamgate.yaml"), text).unwrap();
    let (code, out, err) = command(&["check", "--config", "streamgate.yaml"], folder.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("good; 1 application, 0 origins"), "{out}");

    let gateway = Gateway::run(folder, control, control, "http").await;
    let ask = async |path: &str| gateway.client.get(format!("http://{control}{path}")).send().await.unwrap();
    assert_eq!(ask("/readyz").await.status(), 200);
    assert!(ask("/metrics").await.text().await.unwrap().contains("streamgate_config_revision 1"));
    // It goes on, though there is nothing to listen on.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(ask("/healthz").await.status(), 200);
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test]
async fn applications_that_declare_their_streams_need_nothing_but_the_control_port() {
    serves("  phone: { stream_source: api, tenant: acme, idps: [i1], policies: [cap] }\n").await;
}

#[tokio::test]
async fn applications_that_are_only_decided_about_need_no_listener_and_no_origin() {
    serves(
        "  tv:\n    routes: [{ path: /live }, { path: /vod, host: vod.example.com }]\n    identity:\n      token: { in: [\"query:token\"], \
         jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] } }\n      idp: acme\n      subject: claim:sub\n    policies: [cap]\n",
    )
    .await;
}
