//! Who a request comes from, and what happens when one stream is used from two places.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use serde_json::json;
use tokio::time::Duration;

use super::support::{Answer, Gateway, Origin, SECRET, Setup, free_port, now, raw, sign, token, until};

const HOPS: &str = "trusted_proxies: { networks: [127.0.0.0/8] }\n";
const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n";

/// One who watches: an address and a player.
#[derive(Clone, Copy)]
struct Viewer {
    address: &'static str,
    agent: &'static str,
}

const HOME: Viewer = Viewer { address: "192.0.2.1", agent: "Television/7" };
const FRIEND: Viewer = Viewer { address: "203.0.113.9", agent: "Telephone/3" };

async fn get(gateway: &Gateway, viewer: Viewer, path: &str) -> Answer {
    let request = gateway.client.get(gateway.url(path));
    let request = request.header("x-forwarded-for", viewer.address).header("user-agent", viewer.agent);
    Answer::of(request.send().await.unwrap()).await
}

/// Both ask for segments by turns until `over` says that it is enough; returns what the second was told last.
async fn side_by_side(gateway: &Gateway, prefix: &str, mut over: impl FnMut(&Answer) -> bool) -> Answer {
    let deadline = std::time::Instant::now() + super::support::PATIENCE;
    for nth in 0.. {
        assert!(std::time::Instant::now() < deadline, "nothing happened in {nth} turns");
        let one = get(gateway, HOME, &format!("{prefix}/news/{nth}.ts")).await;
        assert_eq!(one.status, 200, "who came first is never hit: {}", one.text());
        let two = get(gateway, FRIEND, &format!("{prefix}/news/{nth}.ts")).await;
        if over(&two) {
            return two;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // as players pause between segments
    }
    unreachable!("the deadline comes first")
}

async fn shared(origin: &Origin, sharing: &'static str, limit: &'static str) -> (Gateway, String) {
    let setup = Setup {
        extra: HOPS.to_owned(),
        application: sharing,
        policy: limit,
        streams: "{ sharing_overlap: 1s }",
        ..Setup::before(&[origin])
    };
    let gateway = setup.start().await;
    let entry = get(&gateway, HOME, &format!("/news/low.m3u8?token={}", token("alice", "tv"))).await;
    let prefix = entry.prefix();
    (gateway, prefix)
}

const TWO: &str = "{ name: two-streams, limit: 2, when_exceeded: deny_newest }";
const ONE: &str = "{ name: one-stream, limit: 1, when_exceeded: deny_newest }";

#[tokio::test]
async fn two_clients_of_one_play_session_take_two_slots_where_sharing_splits() {
    let origin = Origin::usual().await;
    let (gateway, prefix) = shared(&origin, "", TWO).await;
    let mut streams = 0;
    let mut turns = 0;
    while streams < 2 {
        turns += 1;
        assert!(turns < 400, "no split in {turns} turns:\n{}", gateway.log());
        side_by_side(&gateway, &prefix, |answer| {
            assert_eq!(answer.status, 200, "there is a slot for each: {}", answer.text());
            true
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await; // as players pause between segments
        streams = gateway.metric("streamgate_streams", "").await;
    }
    assert_eq!(gateway.metric("streamgate_session_sharing_total", "action=\"split\"").await, 1);
    let third = get(&gateway, HOME, &format!("/sport/low.m3u8?token={}", token("alice", "tablet"))).await;
    assert_eq!(third.problem_type(), "stream-limit", "both slots are taken");
}

#[tokio::test]
async fn a_second_client_has_to_find_a_slot_of_its_own() {
    let origin = Origin::usual().await;
    let (gateway, prefix) = shared(&origin, "", ONE).await;
    let refused = side_by_side(&gateway, &prefix, |answer| answer.status != 200).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"));
    assert_eq!(get(&gateway, HOME, &format!("{prefix}/news/x.ts")).await.status, 200);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn each_client_is_a_device_of_its_own_where_devices_are_counted() {
    let origin = Origin::usual().await;
    let devices = "{ name: two-devices, limit: 2, count: distinct(deviceId) }";
    let (gateway, prefix) = shared(&origin, "", devices).await;
    let third = Viewer { address: "198.51.100.7", agent: "Tablet/5" };
    let deadline = std::time::Instant::now() + super::support::PATIENCE;
    for nth in 0.. {
        assert!(std::time::Instant::now() < deadline, "three devices play under a limit of two:\n{}", gateway.log());
        let mut answers = Vec::new();
        for viewer in [HOME, FRIEND, third] {
            answers.push(get(&gateway, viewer, &format!("{prefix}/news/{nth}.ts")).await);
        }
        assert_eq!(answers[0].status, 200, "who came first is never hit: {}", answers[0].text());
        if let Some(refused) = answers.iter().find(|answer| answer.status != 200) {
            assert_eq!(refused.problem()["violations"][0]["rule"], "two-devices");
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // as players pause between segments
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
}

#[tokio::test]
async fn a_second_client_is_refused_where_sharing_is_refused() {
    let origin = Origin::usual().await;
    let (gateway, prefix) = shared(&origin, "    sharing: refuse\n", TWO).await;
    let refused = side_by_side(&gateway, &prefix, |answer| answer.status != 200).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "session-in-use"));
    assert!(refused.problem()["detail"].as_str().unwrap().contains("another device"));
    assert!(gateway.metric("streamgate_session_sharing_total", "action=\"refused\"").await >= 1);
    assert_eq!(get(&gateway, HOME, &format!("{prefix}/news/x.ts")).await.status, 200);
}

#[tokio::test]
async fn two_clients_go_on_as_one_stream_where_sharing_is_allowed() {
    let origin = Origin::usual().await;
    let (gateway, prefix) = shared(&origin, "    sharing: allow\n", ONE).await;
    let mut turns = 0;
    side_by_side(&gateway, &prefix, |answer| {
        assert_eq!(answer.status, 200);
        turns += 1;
        turns == 30
    })
    .await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    assert_eq!(gateway.metric("streamgate_session_sharing_total", "").await, 0);
}

#[tokio::test]
async fn a_hand_over_is_no_sharing() {
    let origin = Origin::usual().await;
    let (gateway, prefix) = shared(&origin, "    sharing: refuse\n", ONE).await;
    let segment = async |viewer, nth: u32| get(&gateway, viewer, &format!("{prefix}/news/{nth}.ts")).await.status;
    for nth in 0..20 {
        assert_eq!(segment(HOME, nth).await, 200);
    }
    // The telephone takes over; the television asks for its last segments meanwhile, and then for nothing.
    for nth in 20..25 {
        assert_eq!((segment(FRIEND, nth).await, segment(HOME, nth).await), (200, 200));
    }
    for nth in 25..60 {
        assert_eq!(segment(FRIEND, nth).await, 200, "{nth}");
        tokio::time::sleep(Duration::from_millis(50)).await; // longer than the overlap, as players pause
    }
    assert_eq!(gateway.metric("streamgate_session_sharing_total", "").await, 0);
}

#[tokio::test]
async fn what_a_viewer_writes_into_forwarding_headers_is_believed_from_trusted_hops_only() {
    for (trusted, expected) in [("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.7")] {
        let origin = Origin::usual().await;
        let extra = format!("trusted_proxies: {{ networks: [{trusted}] }}\n");
        let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
        let lie = "203.0.113.1, 198.51.100.7, 127.0.0.9";
        let request = gateway.client.get(gateway.url("/news/master.m3u8")).header("x-forwarded-for", lie);
        assert_eq!(request.send().await.unwrap().status(), 401);
        until("the request is logged", async || gateway.log().contains("\"target\":\"access\"")).await;
        assert!(gateway.log().contains(&format!("\"client\":\"{expected}\"")), "{}", gateway.log());
    }
}

/// An origin that answers with the fields of the request that speak of the viewer, a line each.
async fn mirror() -> Origin {
    Origin::new(|request| async move {
        let told = |name: &str| {
            let values = request.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
            format!("{name}={}\n", values.collect::<Vec<_>>().join("|"))
        };
        let names =
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "x-forwarded-port"];
        super::support::answer(200, "text/plain", names.map(told).concat())
    })
    .await
}

#[tokio::test]
async fn the_origin_learns_who_asks_and_never_what_an_untrusted_peer_wrote() {
    let origin = mirror().await;
    for (trusted, expected) in [
        (
            "10.0.0.0/8",
            "x-forwarded-for=127.0.0.1\nx-forwarded-proto=http\nx-forwarded-host=tv.example\nforwarded=\nx-real-ip=\n\
             x-forwarded-port=\n",
        ),
        (
            "127.0.0.0/8",
            "x-forwarded-for=198.51.100.7, 127.0.0.1\nx-forwarded-proto=https\nx-forwarded-host=www.example\n\
             forwarded=for=evil\nx-real-ip=198.51.100.7\nx-forwarded-port=443\n",
        ),
    ] {
        let extra = format!("trusted_proxies: {{ networks: [{trusted}] }}\n");
        let gateway = Setup { extra, anonymous: "pass", ..Setup::before(&[&origin]) }.start().await;
        let asked = gateway.client.get(gateway.url("/page.html")).header("host", "tv.example");
        let asked = asked.header("x-forwarded-for", "203.0.113.1, 198.51.100.7").header("x-forwarded-proto", "https");
        let asked = asked.header("x-forwarded-host", "www.example").header("forwarded", "for=evil");
        let asked = asked.header("x-real-ip", "198.51.100.7").header("x-forwarded-port", "443");
        assert_eq!(asked.send().await.unwrap().text().await.unwrap(), expected, "{trusted}");
    }
}

#[tokio::test]
async fn haproxy_names_the_viewer_by_the_proxy_protocol_and_nobody_else_gets_in() {
    if Command::new("haproxy").arg("-v").output().is_err() {
        eprintln!("SKIPPED: there is no haproxy; scripts/install test installs it");
        return;
    }
    let origin = Origin::usual().await;
    let expecting = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let setup = Setup {
        extra: HOPS.to_owned(),
        more_listeners: format!("  - {{ address: {expecting}, proxy_protocol: true }}\n"),
        ..Setup::before(&[&origin])
    };
    let gateway = setup.start().await;
    for version in ["send-proxy", "send-proxy-v2"] {
        let port = free_port();
        let config = format!(
            "global\n  maxconn 16\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n\
             listen viewers\n  bind 127.0.0.1:{port}\n  server gateway {expecting} {version}\n"
        );
        let file = gateway.folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let mut haproxy =
            Command::new("haproxy").arg("-db").arg("-f").arg(&file).stderr(Stdio::null()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}/{version}/low.m3u8?token={}", token("alice", version));
        let mut prefix = String::new();
        until("haproxy listens", async || match gateway.client.get(&url).send().await {
            Ok(answer) => {
                prefix = Answer::of(answer).await.prefix();
                true
            }
            Err(_) => false,
        })
        .await;
        let segment = format!("http://127.0.0.1:{port}{prefix}/{version}/a.ts");
        for _ in 0..3 {
            assert_eq!(gateway.client.get(&segment).send().await.unwrap().status(), 200, "on a kept connection too");
        }
        haproxy.kill().unwrap();
        haproxy.wait().unwrap();
    }
    let from_elsewhere = raw(
        expecting,
        b"PROXY TCP4 198.51.100.77 127.0.0.1 4711 80\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        |_| false,
    )
    .await;
    assert!(from_elsewhere.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&from_elsewhere));
    until("it is logged", async || gateway.log().contains("\"client\":\"198.51.100.77\"")).await;
    let without = raw(expecting, b"GET /news/low.m3u8 HTTP/1.1\r\nhost: a\r\n\r\n", |_| false).await;
    assert!(without.is_empty(), "{}", String::from_utf8_lossy(&without));
    gateway.counts("streamgate_connections_refused_total", "reason=\"proxy_header\"", 1).await;
}

#[tokio::test]
async fn what_is_blocked_is_refused_at_its_next_request_with_the_reason_and_comes_back_when_it_is_lifted() {
    let origin = Origin::usual().await;
    let setup = Setup { extra: "blocks: { file: blocked.yaml }\n".into(), ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let claims = json!({ "sub": "alice", "device": "tv", "jti": "t-1", "exp": now() + 600 });
    let entry = format!("/news/low.m3u8?token={}", sign("HS256", &claims, SECRET));
    let prefix = gateway.get(&entry).await.prefix();
    let segment = format!("{prefix}/news/a.ts");
    assert_eq!(gateway.get(&segment).await.status, 200);
    let file = gateway.folder.path().join("blocked.yaml");
    for block in [
        "account: { idp: acme, subject: alice }",
        "device: { idp: acme, subject: alice, device: tv }",
        "token: { application: tv, id: t-1 }",
    ] {
        std::fs::write(
            &file,
            format!("- {{ {block}, until: 2099-01-01T00:00:00Z, reason: Call us about the bill. }}\n"),
        )
        .unwrap();
        until("the block counts", async || gateway.get(&segment).await.status == 403).await;
        for path in [&segment, &entry] {
            let refused = gateway.get(path).await;
            assert_eq!((refused.status, refused.problem_type().as_str()), (403, "blocked"), "{block}");
            assert_eq!(refused.problem()["detail"], "Call us about the bill.");
        }
        assert_eq!(
            gateway.enter("/news/low.m3u8", "tablet").await.status,
            if block.contains("account") { 403 } else { 200 }
        );
        std::fs::write(&file, format!("- {{ {block}, until: 2020-01-01T00:00:00Z, reason: over }}\n")).unwrap();
        until("the block is over", async || gateway.get(&segment).await.status == 200).await;
    }
    assert!(gateway.metric("streamgate_requests_total", "outcome=\"blocked\"").await >= 6);
}

#[tokio::test]
async fn media_that_is_pulled_much_faster_than_it_plays_is_counted_or_refused() {
    for (application, refuses) in [("", false), ("    download_rate: refuse\n", true)] {
        let origin = Origin::new(|request| async move {
            if request.uri().path().ends_with(".m3u8") {
                // Segments of an hour each.
                super::support::answer(
                    200,
                    "application/vnd.apple.mpegurl",
                    LIVE.replace(":2", ":3600") + "#EXT-X-ENDLIST\n",
                )
            } else {
                super::support::usual(request.uri().path())
            }
        })
        .await;
        let gateway = Setup { application, ..Setup::before(&[&origin]) }.start().await;
        let prefix = gateway.enter("/film/low.m3u8", "tv").await.prefix();
        let mut last = gateway.get(&format!("{prefix}/film/0.ts")).await;
        for nth in 1..20 {
            last = gateway.get(&format!("{prefix}/film/{nth}.ts")).await;
        }
        assert_eq!(last.status, if refuses { 403 } else { 200 });
        gateway.counts("streamgate_download_rate_exceeded_total", "action=\"noticed\"", 1).await;
        if refuses {
            assert_eq!(last.problem_type(), "download-rate-exceeded");
        }
    }
}

#[tokio::test]
async fn cmcd_names_the_stream_inside_an_account_and_nothing_is_minted() {
    let origin = Origin::usual().await;
    let setup = Setup { application: "      stream: [\"cmcd:sid\", fingerprint]\n", ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let cookie = |account: &str| format!("token={}", token(account, &format!("{account}-tv")));
    let cmcd = |sid: &str| format!("CMCD=sid%3D%22{sid}%22");
    let ask = async |path: &str, account: &str, sid: &str| {
        let request = gateway.client.get(gateway.url(&format!("{path}?{}", cmcd(sid))));
        Answer::of(request.header("cookie", cookie(account)).send().await.unwrap()).await
    };
    let entry = ask("/news/low.m3u8", "alice", "s1").await;
    assert_eq!(entry.status, 200);
    assert!(!entry.text().contains("/~s/"), "nothing is minted: {}", entry.text());
    assert_eq!(ask("/news/a.ts", "alice", "s1").await.status, 200);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    assert_eq!(ask("/news/a.ts", "bob", "s1").await.status, 200);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2, "the same name in another account is another stream");
    assert_eq!(gateway.get(&format!("/news/low.m3u8?{}", cmcd("s1"))).await.status, 401, "a name is no identity");
    for nth in 0..100 {
        ask("/news/a.ts", "carol", &format!("made-up-{nth}")).await;
    }
    assert!(gateway.metric("streamgate_streams", "").await <= 4, "made-up names take no more slots than the limit");
}

#[tokio::test]
async fn a_new_name_in_the_middle_of_a_play_takes_no_second_slot() {
    let origin = Origin::usual().await;
    let application = "      stream: [\"cmcd:sid\", fingerprint]\n";
    let gateway = Setup { application, policy: ONE, ..Setup::before(&[&origin]) }.start().await;
    let ask = async |path: &str, sid: &str| {
        let request = gateway.client.get(gateway.url(&format!("{path}?CMCD=sid%3D%22{sid}%22")));
        let cookie = format!("token={}", token("alice", "tv"));
        Answer::of(request.header("cookie", cookie).send().await.unwrap()).await.status
    };
    assert_eq!(ask("/news/low.m3u8", "one").await, 200);
    for sid in ["one", "two", "three", "one"] {
        assert_eq!(ask("/news/a.ts", sid).await, 200, "{sid}");
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn a_name_that_comes_with_a_query_token_is_carried_on_by_a_play_session() {
    let origin = Origin::usual().await;
    let setup = Setup { application: "      stream: [\"cmcd:sid\", minted]\n", ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let entry = format!("/news/low.m3u8?token={}&CMCD=sid%3D%22s1%22", token("alice", "tv"));
    let prefix = gateway.get(&entry).await.prefix();
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts?CMCD=sid%3D%22s1%22")).await.status, 200);
    assert_eq!(gateway.get(&entry).await.prefix(), prefix, "the same name is the same stream");
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn nobody_inherits_the_viewer_of_a_kept_connection() {
    let origin = Origin::usual().await;
    let gateway = Setup { application: "      stream: claim:jti\n", ..Setup::before(&[&origin]) }.start().await;
    let claims = json!({ "sub": "alice", "device": "tv", "jti": "t-1", "exp": now() + 600 });
    let ask = |path: &str, cookie: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n{cookie}\r\n");
    let cookie = format!("cookie: token={}\r\n", sign("HS256", &claims, SECRET));
    let conversation = [
        ask("/news/low.m3u8", &cookie),
        ask("/news/a.ts", &cookie),
        ask("/~s//news/a.ts", ""),
        ask("/~s//paid/film.m3u8", "connection: close\r\n"),
    ];
    let mut statuses = Vec::new();
    let answers = super::support::in_turn(gateway.address, &conversation).await;
    for answer in answers {
        statuses.push(answer.split(' ').nth(1).unwrap_or_default().to_owned());
    }
    assert_eq!(statuses, ["200", "200", "403", "403"]);
}

#[tokio::test]
async fn a_second_client_does_not_lead_the_first_one_astray_where_requests_go_by_device() {
    let origin = Origin::usual().await;
    let setup = Setup {
        extra: HOPS.to_owned(),
        application: "      stream: fingerprint\n",
        policy: TWO,
        streams: "{ sharing_overlap: 1s }",
        ..Setup::before(&[&origin])
    };
    let gateway = setup.start().await;
    let query = format!("token={}", token("alice", "tv"));
    let ask = async |viewer, path: &str| get(&gateway, viewer, &format!("{path}?{query}")).await.status;
    assert_eq!(ask(HOME, "/news/low.m3u8").await, 200);
    let mut split = 0;
    for nth in 0.. {
        assert_eq!(ask(HOME, &format!("/news/{nth}.ts")).await, 200, "the first is never hit ({nth})");
        assert_eq!(ask(FRIEND, &format!("/news/{nth}.ts")).await, 200, "there is a slot for each ({nth})");
        split += i32::from(gateway.metric("streamgate_streams", "").await == 2);
        if split > 30 {
            break;
        }
        assert!(nth < 400, "no split:\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await; // as players pause between segments
    }
    assert_eq!(gateway.metric("streamgate_session_sharing_total", "action=\"split\"").await, 1);
}

#[tokio::test]
async fn players_that_cannot_carry_a_play_session_are_known_by_device_and_asset() {
    let origin = Origin::usual().await;
    let setup = Setup { application: "      stream: fingerprint\n", ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let cookie = |device: &str| format!("token={}", token("alice", device));
    let ask = async |path: &str, device: &str| {
        let request = gateway.client.get(gateway.url(path)).header("cookie", cookie(device));
        Answer::of(request.send().await.unwrap()).await
    };
    for device in ["one", "two"] {
        assert!(!ask("/news/low.m3u8", device).await.text().contains("/~s/"));
        for nth in 0..3 {
            assert_eq!(ask(&format!("/news/{nth}.ts"), device).await.status, 200);
        }
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
    assert_eq!(ask("/news/low.m3u8", "three").await.problem_type(), "stream-limit");
    assert_eq!(ask("/news/3.ts", "three").await.problem_type(), "stream-limit", "nor its segments");
}
