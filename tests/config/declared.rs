//! Applications that declare their streams, the control port, and who is told.

use std::time::Duration;

use streamgate::config::{Role, StreamSource, WebhookEvent};
use streamgate::model::ApplicationId;

use super::support::{PROMISED, application, good, read, with};

/// As the session API's part of the configuration is promised, to the letter.
const SESSION_API: &str = r#"
session_api:
  interval: 60s                          # announced by Expires - Date
  grace: 30s                             # the slot outlives the announcement by this
  throttle: { calls: 200, window: 60s }  # both counters
  cors: { origins: ["https://player.example"] }
applications:
  tv: { name: TV app, tenant: acme, idps: [i1, i9], stream_source: both, policies: [cap3] }   # idps: the only ones it may speak for; default any
"#;

const REST: &str = "policies:\n  cap3: { rules: [{ name: three, limit: 3 }] }\nsessions: { keys: [{ id: 1, secret: { file: keys/session.key } }] }\n";

#[test]
fn the_promised_part_loads_with_nothing_but_its_policy_and_a_key_beside_it() {
    let settings = good(&format!("{SESSION_API}{REST}"));
    let api = &settings.session_api;
    assert_eq!((api.calls, api.window), (200, Duration::from_mins(1)));
    assert_eq!(api.origins, [Box::from("https://player.example")]);
    assert_eq!((settings.streams.interval, settings.streams.grace), (Duration::from_mins(1), Duration::from_secs(30)));
    let tv = application(&settings);
    assert_eq!((&*tv.name, &*tv.tenant, tv.stream_source), ("TV app", "acme", StreamSource::Both));
    assert!(tv.speaks_for("i9") && !tv.speaks_for("i2"));
    assert_eq!(&*tv.policies[0].name, "cap3");
    assert!(settings.listeners.is_empty() && settings.origins.is_empty());
}

#[test]
fn an_application_that_declares_its_streams_needs_neither_routes_nor_identity_nor_origins() {
    let api = SESSION_API.replace("stream_source: both", "stream_source: api").replace("idps: [i1, i9], ", "");
    let settings = good(&format!("{api}{REST}"));
    assert_eq!(settings.warnings, []);
    assert!(application(&settings).speaks_for("whoever"), "where none is named");
    let report = read(&format!("{api}{REST}").replace("stream_source: api, ", "")).unwrap_err();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].message.contains("`stream_source: api`"), "{report}");
}

#[test]
fn routes_without_origins_need_no_listeners() {
    let text = with("listeners:\n  - address: 127.0.0.1:8080\n", "").replace("origin: main }", "}");
    let origins = text.find("origins:").unwrap()..text.find("applications:").unwrap();
    let settings = good(&text.replace(&text[origins], ""));
    assert_eq!(settings.warnings, []);
    let route = settings.routes.find(Some("tv.example.com"), "/live/a.m3u8").unwrap();
    assert!(route.origin.is_none() && settings.listeners.is_empty() && settings.origins.is_empty());
}

#[test]
fn every_key_of_the_control_port_and_the_session_api_and_webhooks_is_heard() {
    let settings = good(
        &with(
            "address: 127.0.0.1:9090",
            "address: 0.0.0.0:9090\n  tokens:\n    - { name: grafana, role: read, secret: { file: keys/read.token } }\n    \
             - { name: ops, role: operate, secret: { file: keys/ops.token } }",
        )
        .replace(
            "streams:\n",
            "session_api: { interval: 10s, grace: 0s, throttle: { calls: 7, window: 2s }, cors: { origins: [\"*\"] } }\n\
             webhooks:\n  - url: https://ops.example.com/hooks\n    events: [ended, started]\n    secret: { file: keys/webhook.secret }\n    \
             batch: 3\n    flush_interval: 2s\n    timeout: 4s\n    max_retry_duration: 6m\n    queue: 9\n  - url: http://127.0.0.1:9999\nstreams:\n",
        )
        .replace("name: TV app", "stream_source: both\n    idps: [acme]"),
    );
    let control = &settings.control;
    let told: Vec<_> = control.tokens.iter().map(|token| (&*token.name, token.role, token.secret.expose())).collect();
    let expected: [(&str, Role, &[u8]); 2] =
        [("grafana", Role::Read, b"a-token-that-reads"), ("ops", Role::Operate, b"a-token-that-operates")];
    assert_eq!(told, expected);
    assert!(!control.open && Role::Operate > Role::Read);
    assert!(good(&with("127.0.0.1:9090", "0.0.0.0:9090\n  open: true")).control.open);

    let api = &settings.session_api;
    assert_eq!((api.calls, api.window, &*api.origins[0]), (7, Duration::from_secs(2), "*"));
    assert_eq!((settings.streams.interval, settings.streams.grace), (Duration::from_secs(10), Duration::ZERO));
    assert_eq!(
        (application(&settings).stream_source, application(&settings).idps.as_ref().unwrap().len()),
        (StreamSource::Both, 1)
    );

    let [hook, usual] = settings.webhooks.as_slice() else { panic!("{:?}", settings.webhooks) };
    assert_eq!((&*hook.url, hook.batch, hook.queue), ("https://ops.example.com/hooks", 3, 9));
    assert_eq!(hook.events, [WebhookEvent::Started, WebhookEvent::Ended]);
    assert_eq!([hook.flush_interval, hook.timeout, hook.max_retry_duration].map(|time| time.as_secs()), [2, 4, 360]);
    assert_eq!(hook.secret.as_ref().unwrap().expose().len(), 24, "it stands there as base64");
    assert_eq!((usual.events.len(), usual.secret.is_none(), usual.batch, usual.queue), (6, true, 100, 10_000));
    assert_eq!([usual.flush_interval, usual.timeout, usual.max_retry_duration].map(|time| time.as_secs()), [1, 5, 300]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("a-token-that-reads") && !shown.contains("MfKQ9r8G"), "{shown}");
}

#[test]
fn what_stands_there_in_vain_is_warned_of() {
    let warnings = |text: &str| {
        let told = good(text).warnings;
        told.into_iter().map(|one| format!("{}: {}", one.path, one.message)).collect::<Vec<_>>()
    };
    let begins = |text: &str, words: &[&str]| {
        let told = warnings(text);
        assert!(
            told.len() == words.len() && told.iter().zip(words).all(|(told, words)| told.starts_with(words)),
            "{told:#?}"
        );
    };
    begins(&with("name: TV app", "idps: [acme]"), &["applications.tv.idps: this applies only to the session API"]);
    begins(&with("name: TV app", "stream_source: both\n    idps: [acme]"), &[]);
    begins(
        &with(
            "127.0.0.1:9090",
            "127.0.0.1:9090\n  open: true\n  tokens: [{ name: ops, role: operate, secret: { file: keys/ops.token } }]",
        ),
        &["control.open: this has no effect together with `tokens`"],
    );
    begins(&with("127.0.0.1:9090", "127.0.0.1:9090\n  open: true"), &[]);
    begins(&with("origin: main }", "}"), &["listeners: no route has an origin"]);
    begins(&format!("{SESSION_API}{REST}"), &["applications.tv: without `routes` there is no traffic"]);
    let api = with(
        "    routes: [{ path: /, origin: main }] # longest prefix wins; optional host\n",
        "    stream_source: api\n",
    );
    begins(&api, &["listeners: ", "applications.tv.identity: with `stream_source: api` this is unused"]);
    let hook = |events: &str| format!("{{ url: http://a.example/, events: {events} }}");
    let hooks = |first: &str, second: &str| format!("{PROMISED}webhooks: [{}, {}]\n", hook(first), hook(second));
    begins(&hooks("[started, ended]", "[ended]"), &["webhooks[1].url: `webhooks[0]` has the same URL"]);
    begins(&hooks("[started]", "[ended]"), &[]);
    let id = ApplicationId("tv".into());
    assert_eq!(good(&api).applications[&id].stream_source, StreamSource::Api);
}
