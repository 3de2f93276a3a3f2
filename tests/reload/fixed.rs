//! What cannot change while the gateway runs.

use super::program::{Origin, free_port};
use super::support::Config;

#[tokio::test]
async fn what_cannot_change_is_named_and_goes_on_and_the_rest_is_in_force() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let program = config.start().await;
    let (mut moved, new) = (program.text(&Config { limit: 1, ..config.clone() }), free_port());
    for (old, other) in [
        (program.address.to_string(), format!("127.0.0.1:{new}")),
        (program.control.to_string(), "127.0.0.1:1".to_owned()),
        ("streams: {}".to_owned(), "streams: { capacity: 7 }".to_owned()),
        ("log: {}".to_owned(), "log: { format: text }".to_owned()),
    ] {
        assert!(moved.contains(&old));
        moved = moved.replace(&old, &other);
    }
    program.overwrite(&format!("{moved}threads: 3\n"));
    program.applied(2).await;
    program.says("\"key\":\"streams.capacity\"").await;
    let log = program.log();
    for key in [
        &format!("listeners ({} was removed)", program.address),
        &format!("listeners (127.0.0.1:{new} is new)"),
        "control.address",
        "threads",
        "log.format",
        "streams.capacity",
    ] {
        let line = log.lines().find(|line| line.contains(&format!("\"key\":\"{key}\""))).expect(key);
        assert!(line.contains("\"WARN\"") && line.contains("takes effect at the next start"), "{line}");
    }
    assert_eq!(program.enter("/news/master.m3u8", "tv").await.status, 200, "at the old address");
    assert_eq!(program.enter("/news/master.m3u8", "phone").await.problem_type(), "stream-limit", "the new limit");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", new)).await.is_err());

    program.replace(&Config { limit: 2, ..config });
    program.applied(3).await;
    assert_eq!(program.log().matches("takes effect at the next start").count(), 6, "nothing is left to warn of");
}

#[tokio::test]
async fn a_listener_that_goes_on_with_the_proxy_protocol_goes_on_trusting_its_senders() {
    let origin = Origin::usual().await;
    let trusted = "trusted_proxies: { networks: [127.0.0.0/8] }\n";
    let more = format!("  - address: 127.0.0.1:{}\n    proxy_protocol: true\n", free_port());
    let with = Config { more_listeners: more.clone(), extra: trusted.into(), ..Config::before(&origin) };
    let program = with.start().await;
    program.reload(&Config { more_listeners: String::new(), extra: String::new(), ..with }, 2).await;
    program.says("\"key\":\"trusted_proxies\"").await;
    let address = more.split_whitespace().nth(2).unwrap().parse().unwrap();
    let request = "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\nGET /a.html HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = super::program::raw(address, request.as_bytes(), |_| false).await;
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
}
