//! Every token format through the running gateway: it admits, it never reaches the origin, and the first kind that is
//! present decides.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use ciborium::Value as Cbor;
use serde_json::json;
use streamgate::identity::cat;
use streamgate::identity::jwt::Algorithm;

use super::support::{Answer, Gateway, Origin, SECRET, Setup, answer, command, now, replace_file, sign, until};

/// As many formats as there are, one after the other; the account is found wherever each has it.
const ALL: &str = r#"      tokens:
        - in: ["query:token", "segment:1"]
          replaced_by: claim:video
          jwt: { issuer: acme-idp, audience: [tv], keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
        - in: ["cookie:CTA-Common-Access-Token"]
          cat: { renew: true, keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
        - in: ["query:hdnts", "cookie:hdntl", "segment:hdntl"]
          edge_auth: { keys: [{ file: edge.hex }] }
        - in: ["query:URISigningPackage", "param:URISigningPackage", "cookie:URISigningPackage"]
          uri_signing: { renew: true, issuers: [{ issuer: signer, keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }] }
      idp: acme
      subject: ["claim:sub", { from: "claim:data_unescaped", matching: "acct=([^&]+)" }]
      device: ["claim:device", "header:x-device"]
"#;

const EDGE_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

async fn gateway(origin: &Origin) -> Gateway {
    let files = vec![("edge.hex", EDGE_KEY.as_bytes().to_vec())];
    Setup { identity: ALL.to_owned(), files, ..Setup::before(&[origin]) }.start().await
}

fn jwt(device: &str) -> String {
    let claims = json!({
        "iss": "acme-idp", "aud": ["tv"], "sub": "alice", "device": device, "video": "v-1", "exp": now() + 600
    });
    sign("HS256", &claims, SECRET)
}

fn edge_auth(fields: &str) -> String {
    let key: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&EDGE_KEY[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), fields.as_bytes());
    let hex = mac.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("{fields}~hmac={hex}")
}

fn uri_signing(path: &str, renewed_after: u64) -> String {
    let claims = json!({
        "iss": "signer", "sub": "alice", "exp": now() + renewed_after / 4, "cdniuc": format!("regex:http://[^/]+{path}.*"),
        "cdniets": renewed_after, "cdnistt": 1, "cdnistd": 1
    });
    sign("HS256", &claims, SECRET)
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn every_format_admits_wherever_it_is_carried_and_never_reaches_the_origin() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let exp = now() + 600;
    let cat = cat::sign_hs(
        Algorithm::HS256,
        Some("k"),
        SECRET,
        &[
            (2, Cbor::Text("alice".into())),
            (4, Cbor::Integer(exp.into())),
            // catu: the path begins with /news
            (
                312,
                Cbor::Map(vec![(
                    Cbor::Integer(3.into()),
                    Cbor::Map(vec![(Cbor::Integer(1.into()), Cbor::Text("/news".into()))]),
                )]),
            ),
        ],
    )
    .unwrap();
    let edge = edge_auth(&format!("exp={exp}~acl=/*~data=acct=alice&dev=1"));
    let package = uri_signing("/news/", 600);
    let get = |path: String| gateway.client.get(gateway.url(&path)).header("x-device", "one");
    let ways = [
        ("jwt in the query", get(format!("/news/master.m3u8?a=1&token={}", jwt("one"))), "/news/master.m3u8?a=1"),
        ("jwt in place of the video", get(format!("/{}/master.m3u8", jwt("one"))), "/v-1/master.m3u8"),
        (
            "cat",
            get("/news/master.m3u8".into()).header("cookie", format!("a=1; CTA-Common-Access-Token={cat}")),
            "/news/master.m3u8",
        ),
        ("edgeauth with & in its data", get(format!("/news/master.m3u8?hdnts={edge}&b=2")), "/news/master.m3u8?b=2"),
        (
            "edgeauth cookie",
            get("/news/master.m3u8".into()).header("cookie", format!("hdntl={edge}")),
            "/news/master.m3u8",
        ),
        (
            "edgeauth in the path",
            get(format!("/hdntl={}/news/master.m3u8", edge.replace("/*", "%2f*"))),
            "/news/master.m3u8",
        ),
        (
            "uri signing in the query",
            get(format!("/news/master.m3u8?URISigningPackage={package}")),
            "/news/master.m3u8",
        ),
        ("uri signing in the path", get(format!("/news/master.m3u8;URISigningPackage={package}")), "/news/master.m3u8"),
    ];
    for (what, request, target) in ways {
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{what}: {}\n{}", answer.text(), gateway.log());
        assert!(answer.text().contains("/~s/"), "{what}: {}", answer.text());
        let seen = origin.last();
        assert_eq!(seen.target, target, "{what}");
        let seen = format!("{seen:?}");
        assert!(!seen.contains("hmac=") && !seen.contains(&cat) && !seen.contains("eyJ"), "{what}: {seen}");
    }
    assert_eq!(
        gateway.metric("streamgate_streams", "").await,
        1,
        "one account, one device: each took the other's place"
    );
    assert!(!gateway.log().contains("hmac="), "nor the log");
}

#[tokio::test]
async fn what_a_token_in_the_path_started_plays_on_without_it() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let manifest = gateway.get(&format!("/{}/low.m3u8", jwt("one"))).await;
    let prefix = manifest.prefix();
    assert!(manifest.text().contains(&format!("{prefix}/v-1/a.ts")), "{}", manifest.text());
    assert_eq!(gateway.get(&format!("{prefix}/v-1/a.ts")).await.status, 200);
    assert_eq!(origin.last().target, "/v-1/a.ts");
}

#[tokio::test]
async fn a_play_session_opens_no_manifest_that_its_token_was_not_good_for() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let token = edge_auth(&format!("exp={}~acl=/free/*~data=acct=alice", now() + 600));
    let prefix = gateway.get(&format!("/free/low.m3u8?hdnts={token}")).await.prefix();
    assert_eq!(gateway.get(&format!("{prefix}/free/other.m3u8")).await.status, 200);
    assert_eq!(
        gateway.get(&format!("{prefix}/ads/a.ts")).await.status,
        200,
        "a manifest may refer to segments elsewhere"
    );
    let elsewhere = gateway.get(&format!("{prefix}/paid/low.m3u8")).await;
    assert_eq!((elsewhere.status, elsewhere.problem_type().as_str()), (403, "play-session-not-accepted"));
    gateway.counts("streamgate_play_session_errors_total", "reason=\"out_of_scope\"", 1).await;
    let prefix = gateway.get(&format!("/{}/low.m3u8", jwt("two"))).await.prefix();
    assert_eq!(gateway.get(&format!("{prefix}/v-1/other.m3u8")).await.status, 200);
    assert_eq!(gateway.get(&format!("{prefix}/v-2/low.m3u8")).await.status, 403, "the token was for the video v-1");
}

#[tokio::test]
async fn under_a_play_session_a_numbered_segment_is_no_token() {
    let origin = Origin::usual().await;
    let service = Origin::new(|_| async {
        let mut response = answer(200, "text/plain", "");
        response.headers_mut().insert("x-userid", "alice".parse().unwrap());
        response
    })
    .await;
    let identity = format!(
        "      token:\n        in: [\"segment:1\"]\n        callback: {{ url: \"http://{}/auth\", timeout: 5s }}\n      idp: acme\n      \
         subject: claim:userid\n",
        service.address
    );
    let gateway = Setup { identity, ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.get("/opaque/news/low.m3u8").await.prefix();
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(origin.last().target, "/news/a.ts");
}

#[tokio::test]
async fn tokens_that_stand_twice_in_a_path_reach_neither_the_origin_nor_the_log() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let package = uri_signing("/news/", 600);
    let twice = format!("/news/low.m3u8;URISigningPackage={package};URISigningPackage={package}");
    assert_eq!(gateway.get(&twice).await.status, 200);
    assert_eq!(origin.last().target, "/news/low.m3u8");
    let request = gateway.client.get(gateway.url("/page")).header("referer", gateway.url("/%7Es/sealed/news/a.ts"));
    send(request).await;
    assert!(!origin.last().headers.contains_key("referer"));
    until("it is logged", async || gateway.log().contains("\"path\":\"/news/low.m3u8\"")).await;
    assert!(!gateway.log().contains(&package));
}

#[tokio::test]
async fn a_bad_token_of_the_first_kind_never_falls_through_to_a_good_one_of_the_next() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let good = edge_auth(&format!("exp={}~acl=/*~data=acct=alice", now() + 600));
    let other = sign("HS256", &json!({ "iss": "somebody", "sub": "alice", "exp": now() + 600 }), SECRET);
    let asked = gateway.client.get(gateway.url(&format!("/news/master.m3u8?hdnts={good}&token={other}")));
    let refused = send(asked).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "token-not-accepted"));
    gateway.counts("streamgate_token_errors_total", "reason=\"wrong_issuer\"", 1).await;
    let asked = gateway.client.get(gateway.url(&format!("/news/master.m3u8?hdnts={good}")));
    assert_eq!(send(asked).await.status, 200);
}

#[tokio::test]
async fn a_token_for_another_url_is_refused_though_it_was_accepted_a_moment_ago() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let token = edge_auth(&format!("exp={}~acl=/news/*~data=acct=alice", now() + 600));
    for (path, status) in [("/news/master.m3u8", 200), ("/sport/master.m3u8", 403), ("/news/master.m3u8", 200)] {
        assert_eq!(gateway.get(&format!("{path}?hdnts={token}")).await.status, status, "{path}");
    }
    gateway.counts("streamgate_token_errors_total", "reason=\"wrong_url\"", 1).await;
}

#[tokio::test]
async fn a_token_that_asks_for_it_is_renewed_by_cookie_and_the_cookie_is_as_good() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let package = uri_signing("/news/", 400);
    let answer = gateway.get(&format!("/news/master.m3u8?URISigningPackage={package}")).await;
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("URISigningPackage=eyJ") && cookie.contains("Path=/news"), "{cookie}");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let renewed = cookie.split(';').next().unwrap();
    assert_ne!(renewed, format!("URISigningPackage={package}"));
    let again = send(gateway.client.get(gateway.url("/news/master.m3u8")).header("cookie", renewed)).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.header("set-cookie"), "", "it is fresh");
}

#[tokio::test]
async fn cloudfront_signs_and_something_else_names_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        done.stdout
    };
    run(&["genrsa", "-out", "key.pem", "2048"]);
    let public = run(&["pkey", "-in", "key.pem", "-pubout"]);
    let origin = Origin::usual().await;
    let identity = "      token:\n        in: [\"query:Signature\"]\n        cloud_front: { keys: [{ id: K1, public_key: { file: cf.pem } }] }\n      \
                    idp: acme\n      subject: header:x-account\n";
    let setup = Setup { identity: identity.to_owned(), files: vec![("cf.pem", public)], ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let (url, expires) = (gateway.url("/news/master.m3u8"), now() + 600);
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#
    );
    std::fs::write(folder.path().join("policy"), policy).unwrap();
    let signature = run(&["dgst", "-sha1", "-sign", "key.pem", "policy"]);
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
    let signature = signature.replace('+', "-").replace('=', "_").replace('/', "~");
    let signed = |path: &str| {
        let url = gateway.url(&format!("{path}?Expires={expires}&Signature={signature}&Key-Pair-Id=K1&v=1"));
        gateway.client.get(url.replace("&v=1", ""))
    };
    let admitted = send(signed("/news/master.m3u8").header("x-account", "alice")).await;
    assert_eq!(admitted.status, 200, "{}\n{}", admitted.text(), gateway.log());
    assert_eq!(origin.last().target, "/news/master.m3u8");
    assert_eq!(send(signed("/sport/master.m3u8").header("x-account", "alice")).await.status, 403, "another URL");
    assert_eq!(send(signed("/news/master.m3u8")).await.status, 403, "nobody's account");
    gateway.counts("streamgate_token_errors_total", "reason=\"no_account\"", 1).await;
}

#[tokio::test]
async fn a_service_of_the_operator_judges_tokens_once_for_all_their_requests() {
    let origin = Origin::usual().await;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let service = Origin::new({
        let asked = asked.clone();
        move |request| {
            asked.lock().unwrap().push(request.uri().to_string());
            async move {
                let good = request.uri().query().is_some_and(|query| query.contains("token=good"));
                let mut response = answer(if good { 200 } else { 403 }, "text/plain", "");
                for (name, value) in [("x-userid", "alice"), ("x-max-sessions", "2"), ("x-authduration", "60")] {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
        }
    })
    .await;
    let identity = format!(
        "      token:\n        in: [\"query:token\"]\n        callback: {{ url: \"http://{}/auth\", timeout: 5s }}\n      idp: acme\n      \
         subject: claim:userid\n      device: header:x-device\n      attributes: {{ plan: claim:max_sessions }}\n",
        service.address
    );
    let gateway = Setup { identity, ..Setup::before(&[&origin]) }.start().await;
    for device in ["one", "two"] {
        let request = gateway.client.get(gateway.url("/news/master.m3u8?token=good")).header("x-device", device);
        assert_eq!(send(request).await.status, 200);
    }
    let third = gateway.client.get(gateway.url("/news/master.m3u8?token=good")).header("x-device", "three");
    assert_eq!(send(third).await.problem_type(), "stream-limit");
    assert_eq!(asked.lock().unwrap().len(), 1, "{:?}", asked.lock().unwrap());
    let refused = gateway.get("/news/master.m3u8?token=bad").await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "token-not-accepted"));
    gateway.counts("streamgate_token_errors_total", "reason=\"refused\"", 1).await;
}

#[tokio::test]
async fn a_service_that_is_away_refuses_newcomers_and_lets_known_viewers_go_on() {
    let origin = Origin::usual().await;
    let service = Origin::new(|_| async {
        let mut response = answer(200, "text/plain", "");
        response.headers_mut().insert("x-userid", "alice".parse().unwrap());
        response.headers_mut().insert("x-authduration", "1".parse().unwrap());
        response
    })
    .await;
    let identity = format!(
        "      token:\n        in: [\"query:token\"]\n        callback: {{ url: \"http://{}/auth\" , timeout: 2s }}\n      idp: acme\n      \
         subject: claim:userid\n",
        service.address
    );
    let gateway = Setup { identity, ..Setup::before(&[&origin]) }.start().await;
    assert_eq!(gateway.get("/news/master.m3u8?token=t").await.status, 200);
    drop(service);
    let stranger = gateway.get("/news/master.m3u8?token=u").await;
    assert_eq!((stranger.status, stranger.problem_type().as_str()), (403, "token-not-accepted"));
    gateway.counts("streamgate_token_errors_total", "reason=\"undecided\"", 1).await;
    // The verdict's second has passed once the service is found away for it.
    until("the old verdict serves", async || {
        assert_eq!(gateway.get("/news/master.m3u8?token=t").await.status, 200);
        gateway.metric("streamgate_auth_callback_requests_total", "result=\"stale\"").await > 0
    })
    .await;
}

#[tokio::test]
async fn keys_that_rotate_are_fetched_when_the_first_token_names_one() {
    let origin = Origin::usual().await;
    let (old, new) = (super::signers::Signer::p256(), super::signers::Signer::p256());
    let set = |signer: &super::signers::Signer, kid: &str| {
        let mut jwk: serde_json::Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
        jwk["kid"] = kid.into();
        json!({ "keys": [jwk] }).to_string()
    };
    let served = Arc::new(Mutex::new(set(&old, "k1")));
    let issuer = Origin::new({
        let served = served.clone();
        move |_| {
            let body = served.lock().unwrap().clone();
            async move { answer(200, "application/json", body) }
        }
    })
    .await;
    let identity = format!(
        "      token:\n        in: [\"query:token\"]\n        jwt: {{ jwks: {{ url: \"http://{}/jwks\" }} }}\n      idp: acme\n      subject: claim:sub\n",
        issuer.address
    );
    let gateway = Setup { identity, ..Setup::before(&[&origin]) }.start().await;
    let token = |signer: &super::signers::Signer, kid: &str| {
        let claims = json!({ "sub": "alice", "exp": now() + 60 }).to_string();
        signer.sign(jsonwebtoken::Algorithm::ES256, &json!({ "alg": "ES256", "kid": kid }).to_string(), &claims)
    };
    until("the keys are here", async || {
        gateway.get(&format!("/news/master.m3u8?token={}", token(&old, "k1"))).await.status == 200
    })
    .await;
    *served.lock().unwrap() = set(&new, "k2");
    let fresh = token(&new, "k2");
    // A fetch for an unknown key is due some seconds after the one at the start; nothing else brings the new key here.
    until("the new key is here", async || gateway.get(&format!("/news/master.m3u8?token={fresh}")).await.status == 200)
        .await;
    assert_eq!(gateway.get(&format!("/news/master.m3u8?token={}", token(&old, "k1"))).await.status, 403);
    let before = issuer.seen().len();
    for nth in 0..20 {
        assert_eq!(gateway.get(&format!("/n.m3u8?token={}", token(&old, &format!("lie-{nth}")))).await.status, 403);
    }
    assert!(issuer.seen().len() <= before + 1, "a flood of unknown keys is no flood of fetches");
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let next = b"another secret of the tests, thirty-two bytes too";
    let token = sign("HS256", &json!({ "sub": "alice", "device": "tv", "exp": now() + 600 }), next);
    assert_eq!(gateway.get(&format!("/news/master.m3u8?token={token}")).await.status, 403);
    replace_file(&gateway.folder.path().join("tv.hs256"), next);
    until("the new key counts", async || gateway.get(&format!("/news/master.m3u8?token={token}")).await.status == 200)
        .await;
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 403, "the old one no longer does");
}

#[tokio::test]
async fn an_operator_sees_what_a_request_proves() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let folder = gateway.folder.path();
    let token = edge_auth(&format!("exp={}~acl=/*~data=acct=alice", now() + 600));
    let url = format!("http://tv.example/news/master.m3u8?hdnts={token}");
    let (code, out, err) =
        command(&["identify", "--config", "streamgate.yaml", "--header", "x-device: tv-1", &url], folder);
    assert_eq!(code, 0, "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["application"], "tv");
    assert_eq!(shown["account"], json!({ "idp": "acme", "subject": "alice" }));
    assert_eq!(shown["device"], "tv-1");
    let (code, _, err) = command(&["identify", "--config", "streamgate.yaml", &url.replace("alice", "bob")], folder);
    assert_eq!(code, 1);
    assert!(err.contains("the token's signature is wrong"), "{err}");
}

#[tokio::test]
async fn an_operator_is_told_that_a_path_is_refused_as_the_viewer_is() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let token = token_of("alice");
    for path in ["/a/%2e%2e/news/master.m3u8", "/news/%2e/master.m3u8", "/news%2Fmaster.m3u8", "/news/~s/x/master.m3u8"]
    {
        let request = format!("GET {path}?token={token} HTTP/1.1\r\nHost: tv.example\r\nConnection: close\r\n\r\n");
        let answer = super::support::raw(gateway.address, request.as_bytes(), |_| false).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{path}: {}", String::from_utf8_lossy(&answer));
        let url = format!("http://tv.example{path}?token={token}");
        let folder = gateway.folder.path();
        let (code, out, error) = command(&["identify", "--config", "streamgate.yaml", &url], folder);
        assert_eq!((code, out.as_str()), (1, ""), "{path}");
        assert!(error.contains("400"), "{path}: {error}");
    }
    let url = format!("http://tv.example/news/master.m3u8?token={token}");
    let (code, out, error) = command(&["identify", "--config", "streamgate.yaml", &url], gateway.folder.path());
    assert!(code == 0 && out.contains("alice"), "{out}{error}");
}

fn token_of(subject: &str) -> String {
    super::support::token(subject, "tv")
}
