//! Two configurations, told apart.

use streamgate::config::parse;

use super::support::{PROMISED, SEAL, folder, with};

#[test]
fn two_differ_in_the_sections_whose_words_or_secrets_differ() {
    let folder = folder();
    let read = |text: &str| parse(text, folder.path()).unwrap_or_else(|report| panic!("{report}"));
    let before = read(PROMISED);
    assert_eq!(before.differences(&read(&format!("# A comment.\n{PROMISED}"))), [""; 0]);
    let sections = ["policies", "trusted_proxies"];
    let text = format!("{}\ntrusted_proxies: {{ networks: [10.0.0.0/8] }}\n", with("limit: 2", "limit: 3"));
    let after = read(&text);
    assert_eq!(before.differences(&after), sections);
    assert_eq!(after.differences(&before), sections);
    std::fs::write(folder.path().join("keys/session.key"), SEAL.to_lowercase() + "?").unwrap();
    let after = read(PROMISED);
    assert_eq!(before.differences(&after), ["sessions"]);
    assert_eq!(format!("{:?}", after.sections), "Sections { .. }", "no digest, from which a secret could be guessed");
}

#[test]
fn of_the_control_port_the_address_alone_is_fixed_until_the_next_start() {
    let folder = folder();
    let read = |text: &str| parse(text, folder.path()).unwrap_or_else(|report| panic!("{report}"));
    let running = read(PROMISED);
    let mut next = read(
        &with(
            "address: 127.0.0.1:9090",
            "address: 0.0.0.0:9091\n  tokens: [{ name: ops, role: operate, secret: { file: keys/ops.token } }]",
        )
        .replace(
            "streams:\n",
            "session_api: { interval: 9s, throttle: { calls: 5 } }\nwebhooks: [{ url: http://a.example/ }]\nstreams:\n",
        ),
    );
    assert_eq!(running.differences(&next), ["control", "session_api", "webhooks"]);
    assert_eq!(next.keep_fixed(&running), ["control.address"]);
    assert_eq!((next.control.address, next.control.tokens.len()), (running.control.address, 1));
    assert_eq!((next.streams.interval.as_secs(), next.session_api.calls, next.webhooks.len()), (9, 5, 1));
    // What is good for another address must not leave the one that goes on open to everybody.
    let guarded = next;
    let public = read(&with(
        "127.0.0.1:9090",
        "0.0.0.0:9090\n  tokens: [{ name: ops, role: operate, secret: { file: keys/ops.token } }]",
    ));
    let mut next = read(PROMISED);
    assert_eq!(next.keep_fixed(&public), ["control.address", "control.tokens"]);
    assert_eq!(next.control.tokens, guarded.control.tokens);
    // Another secret under the same name is another configuration.
    let text =
        with("address: 127.0.0.1:9090", "tokens: [{ name: ops, role: operate, secret: { file: keys/ops.token } }]");
    let before = read(&text);
    std::fs::write(folder.path().join("keys/ops.token"), "another-token-altogether").unwrap();
    assert_eq!(before.differences(&read(&text)), ["control"]);
}
