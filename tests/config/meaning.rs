//! What a configuration means.

use std::path::Path;
use std::time::Duration;

use streamgate::config::{Anonymous, LogFormat, LogLevel, MintError, TlsFiles, load};
use streamgate::identity::cat;
use streamgate::identity::jwt::{Algorithm, sign_hs};
use streamgate::identity::{RequestFacts, TokenError};
use streamgate::model::Ambiguity;
use streamgate::policy::{ApplicationBinding, Mode, Rule, WhenExceeded};
use streamgate::streams;

use super::minting::request;
use super::support::{NOW, PROMISED, SECRET, application, folder, good, with};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn the_promised_configuration_loads_and_means_what_it_says() {
    let settings = good(PROMISED);
    assert_eq!(settings.listeners.len(), 1);
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.listeners[0].tls, None);
    assert_eq!(settings.control.address.to_string(), "127.0.0.1:9090");

    let origin = &settings.origins["main"];
    assert_eq!(origin.servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:8081"]);
    assert_eq!((origin.tls, origin.verify_certificate, origin.host_header.as_deref()), (false, true, None));
    assert_eq!((origin.connect_timeout, origin.read_timeout), (Duration::from_secs(2), MINUTE / 2));
    assert_eq!((origin.write_timeout, origin.idle_timeout), (Duration::from_secs(10), Duration::from_secs(50)));
    assert_eq!((origin.max_connections, origin.consecutive_5xx, origin.resolve_every), (1000, 0, MINUTE / 2));

    let tv = application(&settings);
    assert_eq!((tv.id.as_str(), &*tv.name, tv.anonymous), ("tv", "TV app", Anonymous::Refuse));
    let shown = format!("{:?}", tv.identity.as_ref().unwrap());
    let sources = r#"[[Query("token"), Header("authorization"), Cookie("token")]]"#;
    assert!(shown.contains(sources), "{shown}");
    let [household] = tv.policies.as_slice() else { panic!("{:?}", tv.policies) };
    assert_eq!((&*household.name, &*tv.tenant), ("household", "default"));
    let carrier = ApplicationBinding { tenant: "default".into(), from_manifest: Vec::new() };
    assert_eq!(household.carriers, [(tv.id.clone(), carrier)].into());
    let rule = Rule::streams("two-streams", 2, WhenExceeded::DenyNewest);
    assert_eq!(household.rules, [Rule { key: household.rules[0].key, mode: Mode::Enforce, ..rule }]);
    assert_eq!(settings.warnings, []);

    let route = settings.routes.find(Some("anything.example.com"), "/live/a.m3u8").unwrap();
    assert_eq!((&route.application.id, &*route.origin.as_ref().unwrap().name), (&tv.id, "main"));
    assert!(route.ambiguous_paths.is_empty());

    assert_eq!(settings.streams, streams::Settings::default());
    assert_eq!(settings.streams.paused_timeout, 2 * MINUTE);
    assert_eq!(
        (settings.snapshot, settings.shutdown_delay, settings.shutdown_grace),
        (None, Duration::ZERO, Duration::from_secs(5))
    );
    assert_eq!(settings.snapshot_interval, None);
    assert!(settings.threads >= 1);
    let limits = &settings.limits;
    assert_eq!((limits.connections, limits.requests_per_connection), (20_000, 10_000));
    assert_eq!((limits.header_bytes, limits.manifest_bytes), (32 << 10, 8 << 20));
    assert_eq!((limits.header_timeout, limits.keep_alive), (Duration::from_secs(35), MINUTE / 2));
    assert_eq!((limits.write_timeout, limits.body_timeout), (MINUTE, MINUTE));
    assert_eq!((limits.handshake_timeout, settings.control.connections), (Duration::from_secs(10), 1000));
    assert_eq!((settings.log.level, settings.log.format, settings.log.access), (LogLevel::Info, LogFormat::Json, true));
    assert!(format!("{:?}", settings.keys).contains("[1]"), "{:?}", settings.keys);
    assert!(format!("{:?}", settings.keys).contains("43200s"), "{:?}", settings.keys);
}

#[test]
fn every_key_that_can_be_set_is_heard() {
    let settings = good(&format!(
        "{}limits: {{ connections: 7, header_bytes: 16KiB, header_timeout: 9s, keep_alive: 8s, \
         requests_per_connection: 6, manifest_bytes: 1MiB, write_timeout: 5s, \
         handshake_timeout: 4s, body_timeout: 3s }}\n\
         shutdown: {{ grace: 1s, delay: 2s }}\nthreads: 3\nlog: {{ level: debug, format: text, access: false, decisions: false }}\n",
        PROMISED
            .replace(
                "address: 127.0.0.1:8080",
                "address: \"[::]:8443\"\n    tls: { certificate: tls/cert.pem, key: tls/key.pem }"
            )
            .replace(
                "servers: [127.0.0.1:8081]",
                "servers: [\"[::1]:80\", origin.example.com:443]\n    tls: true\n    verify_certificate: false\n    \
                 host_header: o.example.com\n    connect_timeout: 1s\n    read_timeout: 2s\n    write_timeout: 3s\n    \
                 idle_timeout: 4s\n    max_connections: 0\n    consecutive_5xx: 7\n    resolve_every: 5s"
            )
            .replace("mode: enforce", "mode: shadow")
            .replace("deny_newest", "terminate_oldest")
            .replace("capacity: 1000000", "capacity: 5\n  snapshot: kept.snapshot\n  snapshot_interval: 5s")
            .replace("anonymous: refuse", "anonymous: pass")
            .replace(
                "origin: main }",
                "origin: main, host: TV.example.com, ambiguous_paths: [dot_segments, encoded_slashes, backslashes] }"
            )
    ));
    let files = settings.listeners[0].tls.as_ref().unwrap();
    assert!(matches!(files, TlsFiles { certificate, key }
        if certificate.ends_with("tls/cert.pem") && key.ends_with("tls/key.pem")));
    let origin = &settings.origins["main"];
    assert_eq!((origin.servers[0].host.as_str(), origin.servers[0].port), ("::1", 80));
    assert_eq!((origin.servers[1].host.as_str(), origin.servers[1].port), ("origin.example.com", 443));
    assert_eq!((origin.tls, origin.verify_certificate), (true, false));
    assert_eq!(origin.host_header.as_deref(), Some("o.example.com"));
    let times = [origin.connect_timeout, origin.read_timeout, origin.write_timeout, origin.idle_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [1, 2, 3, 4]);
    assert_eq!((origin.max_connections, origin.consecutive_5xx, origin.resolve_every.as_secs()), (0, 7, 5));
    let rule = &application(&settings).policies[0].rules[0];
    assert_eq!((rule.mode, &rule.when_exceeded), (Mode::Shadow, &WhenExceeded::TerminateOldest));
    assert_eq!(settings.streams.capacity, 5);
    assert!(settings.snapshot.unwrap().ends_with("kept.snapshot"));
    assert_eq!(settings.snapshot_interval, Some(Duration::from_secs(5)));
    let route = settings.routes.find(Some("tv.example.com:8443"), "/").unwrap();
    let spellings = [Ambiguity::DotSegments, Ambiguity::EncodedSlashes, Ambiguity::Backslashes];
    assert_eq!(route.ambiguous_paths, spellings.into_iter().collect());
    assert!(settings.routes.find(Some("example.com"), "/").is_none());
    let limits = &settings.limits;
    assert_eq!((limits.connections, limits.requests_per_connection), (7, 6));
    assert_eq!((limits.header_bytes, limits.manifest_bytes), (16 << 10, 1 << 20));
    let times = [limits.header_timeout, limits.keep_alive, limits.write_timeout, settings.shutdown_grace];
    assert_eq!(times.map(|time| time.as_secs()), [9, 8, 5, 1]);
    let times = [limits.handshake_timeout, limits.body_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [4, 3]);
    assert_eq!(settings.shutdown_delay.as_secs(), 2);
    assert_eq!(settings.threads, 3);
    assert_eq!(
        (settings.log.level, settings.log.format, settings.log.access, settings.log.decisions),
        (LogLevel::Debug, LogFormat::Text, false, false)
    );
}

#[test]
fn anchors_and_merge_keys_work() {
    let settings = good(
        &with("  main:\n    servers: [127.0.0.1:8081]", "  main: &main\n    servers: [127.0.0.1:8081]\n    read_timeout: 7s\n  spare:\n    <<: *main\n    tls: true")
            .replace("max_age: 12h", "max_age: &long 10m")
            .replace("idle_retention: 10m", "idle_retention: *long"),
    );
    assert_eq!(settings.origins["spare"].read_timeout.as_secs(), 7);
    assert_eq!((settings.origins["spare"].tls, settings.origins["main"].tls), (true, false));
    assert_eq!(settings.streams.idle_retention, 10 * MINUTE);
}

#[test]
fn public_keys_come_as_pem_or_as_jwk() {
    for file in ["keys/ed25519.pem", "keys/ed25519.jwk"] {
        let settings = good(&with(
            "{ alg: HS256, secret: { file: keys/tv.hs256 } }",
            &format!("{{ alg: EdDSA, kid: one, public_key: {{ file: {file} }} }}"),
        ));
        let error = application(&settings).mint(&request("alice", None, "1"), NOW).unwrap_err();
        assert_eq!(error, MintError::NoSecret);
        assert!(error.to_string().contains("only public keys"), "{error}");
    }
}

#[test]
fn an_application_without_identity_passes_everybody_when_it_says_so() {
    let identity = PROMISED.find("    identity:").unwrap()..PROMISED.find("    anonymous:").unwrap();
    let mut text = PROMISED.to_owned();
    text.replace_range(identity, "");
    let text = text.replace("anonymous: refuse", "anonymous: pass").replace("    policies: [household]\n", "");
    let settings = good(&text);
    let tv = application(&settings);
    assert!(tv.identity.is_none() && tv.anonymous == Anonymous::Pass);
    assert_eq!(tv.mint(&request("alice", None, "1"), NOW), Err(MintError::NoIdentity));
}

#[test]
fn a_route_is_found_by_host_and_longest_path_across_applications() {
    let settings = good(
        &with("routes: [{ path: /, origin: main }]", "routes: [{ path: /, origin: main }, { path: /live, origin: live }]")
            .replace("  main:\n", "  live: { servers: [live.example.com:80] }\n  main:\n")
            .replace(
                "policies:\n  household:",
                "  open: { routes: [{ path: /live/free, origin: main }, { path: /, host: free.example.com, origin: live }], anonymous: pass }\npolicies:\n  household:",
            ),
    );
    let found = |host, path| {
        let route = settings.routes.find(host, path).unwrap();
        (route.application.id.as_str(), &*route.origin.as_ref().unwrap().name)
    };
    assert_eq!(found(None, "/vod/a.mp4"), ("tv", "main"));
    assert_eq!(found(None, "/live/a.mp4"), ("tv", "live"));
    assert_eq!(found(None, "/live/free/a.mp4"), ("open", "main"));
    assert_eq!(found(Some("FREE.example.com:80"), "/live/a.mp4"), ("open", "live"));
}

#[test]
fn a_configuration_file_is_read_with_the_files_beside_it() {
    let folder = folder();
    let file = folder.path().join("streamgate.yaml");
    std::fs::write(&file, PROMISED).unwrap();
    assert_eq!(load(&file).unwrap().listeners.len(), 1);

    std::fs::write(&file, with("path: /,", "path: live,")).unwrap();
    let report = load(&file).unwrap_err();
    let line = format!("{}:12:22: applications.tv.routes[0].path: ", file.display());
    assert!(report.to_string().starts_with(&line), "{report}");

    let missing = load(Path::new("no/such/file.yaml")).unwrap_err();
    assert!(missing.to_string().starts_with("no/such/file.yaml:1:1: cannot read"), "{missing}");
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(load(&file).unwrap_err().to_string().ends_with("is not UTF-8 text"));
}

#[test]
fn tokens_can_be_held_to_the_letter_of_their_standard() {
    const KEYS: &str = "keys: [{ alg: HS256, secret: { file: keys/tv.hs256 } }]";
    let json_token = |late: u64, more: &str| {
        let text =
            format!("{{ \"iss\": \"acme\", \"exp\": {}, \"cdniuc\": \"regex:.*\"{more} }}", NOW.seconds() - late + 1);
        let claims = serde_json::from_str(&text).unwrap();
        sign_hs(Algorithm::HS256, SECRET.as_bytes(), &claims).unwrap()
    };
    let cbor_token = |late: u64, more: &[(i64, ciborium::Value)]| {
        let mut claims = vec![(2, "alice".into()), (4, (NOW.seconds() - late + 1).into())];
        claims.extend_from_slice(more);
        cat::sign_hs(Algorithm::HS256, None, SECRET.as_bytes(), &claims).unwrap()
    };
    let jwt = format!("jwt: {{ {KEYS}");
    let cat = format!("cat: {{ {KEYS}");
    let uri = format!("uri_signing: {{ issuers: [{{ issuer: acme, {KEYS} }}]");
    for (kind, token, error) in [
        (&jwt, json_token(0, ", \"sub\": \"alice\""), None),
        (&jwt, json_token(30, ", \"sub\": \"alice\""), Some(TokenError::Expired)),
        (&cat, cbor_token(0, &[]), None),
        (&cat, cbor_token(30, &[]), Some(TokenError::Expired)),
        (&cat, cbor_token(0, &[(308, 1.into())]), Some(TokenError::Critical)),
        (&uri, json_token(0, ", \"x\": \"alice\""), None),
        (&uri, json_token(30, ", \"x\": \"alice\""), Some(TokenError::Expired)),
        (&uri, json_token(0, ", \"x\": \"alice\", \"jti\": \"1\""), Some(TokenError::Critical)),
        (&uri, json_token(0, ", \"x\": \"alice\", \"sub\": \"alice\""), Some(TokenError::Critical)),
    ] {
        let query = format!("token={token}");
        for (strict, expected) in [("", None), (", strict: false", None), (", strict: true", error)] {
            let text = PROMISED
                .replace(&format!("        jwt:\n          {KEYS}   #"), &format!("        {kind}{strict} }}   #"))
                .replace("subject: \"claim:sub\"", "subject: [\"claim:x\", \"claim:sub\"]");
            let settings = good(&text);
            let headers = http::HeaderMap::new();
            let facts = RequestFacts { host: "cdn.example", ..RequestFacts::new("/a.m3u8", Some(&query), &headers) };
            let found = application(&settings).identity.as_ref().unwrap().identify(&facts, NOW);
            assert_eq!(found.unwrap().err(), expected, "{kind}{strict} {token}");
        }
    }
}
