//! A real nginx as the origin, which undoes percent-encoding once: whatever a path looks like, no file from outside the folder
//! of a token or of a play session is served, and what lies inside is, however it is written.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use streamgate::identity::cat;
use streamgate::identity::jwt::Algorithm;

use super::signers::pem;
use super::support::{Gateway, SECRET, Setup, free_port, now, raw, sign, until};

const HOST: &str = "tv.example";
const EDGE_KEY: [u8; 16] = [0x0f; 16];
const FOLDERS: [&str; 6] = ["free", "paid", "freer", "paid/free", "free/my film", "free/café"];

/// Every kind of token that covers a folder.
const IDENTITY: &str = r#"      tokens:
        - in: ["segment:1"]
          replaced_by: claim:video
          jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
        - in: ["cookie:cat"]
          cat: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }
        - in: ["cookie:edge"]
          edge_auth: { keys: [{ file: edge.hex }] }
        - in: ["cookie:cdn", "query:Signature", "segment:edge-cache-token"]
          media_cdn: { keys: [{ name: k1, ed25519: { file: cdn.key } }] }
        - in: ["cookie:CloudFront-Signature"]
          cloud_front: { keys: [{ id: K1, public_key: { file: front.pem } }] }
      idp: acme
      subject: text:anybody
"#;

/// nginx with a file in each folder that tells where it lies.
struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    /// With doubled slashes merged, and not.
    ports: [u16; 2],
}

impl Nginx {
    /// `None` where there is none.
    async fn start() -> Option<Self> {
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
            Command::new(program).arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        })?;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        for name in FOLDERS {
            let folder = folder.path().join("files").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            for file in ["a.m3u8", "a.ts", "b+c.m3u8"] {
                let text = format!("#EXTM3U\n#EXT-X-LIES-IN:<{name}>\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n");
                std::fs::write(folder.join(file), text).unwrap();
            }
        }
        let ports = [free_port(), free_port()];
        let mut config = format!(
            "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log stderr crit;\nevents {{}}\nhttp {{\naccess_log off;\n\
             types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n"
        );
        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(config, "{name}_temp_path {root}/{name};").unwrap();
        }
        for (port, merges) in ports.iter().zip(["on", "off"]) {
            let listens = format!("listen 127.0.0.1:{port}; merge_slashes {merges}; root {root}/files;");
            writeln!(config, "server {{ {listens} }}").unwrap();
        }
        config.push_str("}\n");
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Command::new(program);
        nginx.args(["-p", &root, "-c", "nginx.conf", "-e", "stderr"]).stdin(Stdio::null()).stderr(Stdio::null());
        let nginx = Self { child: nginx.spawn().unwrap(), folder, ports };
        for port in nginx.ports {
            until("nginx listens", async || tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok())
                .await;
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A kind of token for the folder `/free/`.
struct Kind {
    name: &'static str,
    /// In front of the path, where the token stands in it: then the path begins behind `/free`.
    before: String,
    query: String,
    cookie: String,
}

impl Kind {
    fn in_cookie(name: &'static str, cookie: String) -> Self {
        Self { name, before: String::new(), query: String::new(), cookie }
    }

    /// A path below the folder, which the token may stand for.
    fn below(&self, spelling: &str) -> String {
        if self.before.is_empty() { format!("/free{spelling}") } else { spelling.to_owned() }
    }
}

struct Keys {
    cdn: Ed25519KeyPair,
    front: EcdsaKeyPair,
}

impl Keys {
    fn new() -> Self {
        let front = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { cdn: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(), front }
    }

    fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let der: PublicKeyX509Der<'_> = self.front.public_key().as_der().unwrap();
        vec![
            ("edge.hex", "0f".repeat(16).into_bytes()),
            ("cdn.key", URL_SAFE_NO_PAD.encode(self.cdn.public_key().as_ref()).into_bytes()),
            ("front.pem", pem("PUBLIC KEY", der.as_ref()).into_bytes()),
        ]
    }

    fn cdn(&self, signed: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.cdn.sign(signed.as_bytes()))
    }

    fn kinds(&self) -> Vec<Kind> {
        let exp = now() + 3600;
        let fields = format!("exp={exp}~acl=/free/*");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &EDGE_KEY), fields.as_bytes());
        let hex = mac.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let catu = |number: i64, value: Cbor| Cbor::Map(vec![(Cbor::Integer(number.into()), value)]);
        let prefix = catu(3, catu(1, Cbor::Text("/free/".into())));
        let cat = cat::sign_hs(Algorithm::HS256, Some("k"), SECRET, &[(4, Cbor::Integer(exp.into())), (312, prefix)]);
        let globs = format!("PathGlobs=/free/*~Expires={exp}~KeyName=k1");
        let url = URL_SAFE_NO_PAD.encode(format!("http://{HOST}/free/"));
        let by_prefix = format!("URLPrefix={url}~Expires={exp}~KeyName=k1");
        let in_query = format!("URLPrefix={url}&Expires={exp}&KeyName=k1");
        let component = format!("Expires={exp}&KeyName=k1");
        let in_path = self.cdn(&format!("http://{HOST}/free/edge-cache-token={component}"));
        let policy = json!({ "Statement": [{
            "Resource": format!("http*://{HOST}/free/*"), "Condition": { "DateLessThan": { "AWS:EpochTime": exp } }
        }] });
        let policy = policy.to_string();
        let front = |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~");
        let signature = self.front.sign(&SystemRandom::new(), policy.as_bytes()).unwrap();
        let front = format!(
            "CloudFront-Policy={}; CloudFront-Signature={}; CloudFront-Key-Pair-Id=K1; CloudFront-Hash-Algorithm=SHA256",
            front(policy.as_bytes()),
            front(signature.as_ref())
        );
        let jwt = sign("HS256", &json!({ "video": "free", "exp": exp }), SECRET);
        vec![
            Kind::in_cookie("edge_auth acl", format!("edge={fields}~hmac={hex}")),
            Kind::in_cookie("cat catu", format!("cat={}", cat.unwrap())),
            Kind::in_cookie("media_cdn globs", format!("cdn={globs}~Signature={}", self.cdn(&globs))),
            Kind::in_cookie("media_cdn prefix", format!("cdn={by_prefix}~Signature={}", self.cdn(&by_prefix))),
            Kind {
                query: format!("?{in_query}&Signature={}", self.cdn(&in_query)),
                ..Kind::in_cookie("media_cdn signed prefix", String::new())
            },
            Kind {
                before: format!("/free/edge-cache-token={component}&Signature={in_path}"),
                ..Kind::in_cookie("media_cdn path component", String::new())
            },
            Kind::in_cookie("cloud_front resource", front),
            Kind { before: format!("/{jwt}"), ..Kind::in_cookie("claim in the path", String::new()) },
        ]
    }
}

/// A name, some of its characters escaped in one of several ways.
fn spelled(name: &'static str) -> impl Strategy<Value = String> {
    let ways = proptest::collection::vec(select([[0; 30].as_slice(), &[1, 1, 1, 2, 2, 3]].concat()), name.len());
    ways.prop_map(move |ways| {
        let spell = |(byte, way): (u8, i32)| match way {
            0 if byte.is_ascii_graphic() => char::from(byte).to_string(),
            2 => format!("%{byte:02x}"),
            3 => format!("%25{byte:02X}"),
            _ => format!("%{byte:02X}"),
        };
        name.bytes().zip(ways).map(spell).collect()
    })
}

fn separator() -> impl Strategy<Value = String> {
    let odd = [
        "//",
        "///",
        "%2f",
        "%2F",
        "/%2f",
        "\\",
        "%5c",
        "%5C",
        "/./",
        "/%2e/",
        "/.;x/",
        "/;x/",
        "/x/../",
        "/x/%2E%2e/",
        "/x/..%2f",
        "/x/..;y/",
        "%2fx%2f..%2f",
        "/%252e%252e/",
        "/%2%65/",
    ];
    let all = odd.into_iter().chain(std::iter::repeat_n("/", 90)).map(str::to_owned).collect::<Vec<_>>();
    select(all)
}

fn up() -> impl Strategy<Value = String> {
    select(
        ["..", "%2e%2e", ".%2E", "%2e.", "..;x", "..%3bx", "%252e%252e", "...", "..%00", ".. ", "..%20"]
            .map(str::to_owned)
            .to_vec(),
    )
}

/// Some way out of the folder `/free`, or none, and then a path to a file.
fn path_to_somewhere(below: bool) -> impl Strategy<Value = String> {
    let folder = select(vec!["paid", "freer", "free", "free", "free", "paid/free"]);
    let file = select(vec!["a.m3u8", "a.ts"]);
    let out = (separator(), up(), separator(), up(), 0_usize..3).prop_map(move |(one, up, two, again, depth)| {
        let start = if below { "" } else { "/free" };
        match depth {
            0 => String::new(),
            1 => format!("{start}{one}{up}"),
            _ => format!("{start}{one}x{two}{up}{one}{again}"),
        }
    });
    let names = (folder, file).prop_flat_map(|(folder, file)| {
        let names: Vec<&'static str> = folder.split('/').chain([file]).collect();
        names.into_iter().map(|name| (separator(), spelled(name))).collect::<Vec<_>>()
    });
    (out, names).prop_map(|(out, names)| {
        let path = names.into_iter().fold(out, |path, (separator, name)| path + &separator + &name);
        // As HTTP has it; the rest of the line is not a part of it.
        let path = path.replace(' ', "%20");
        if path.starts_with('/') { path } else { format!("/{path}") }
    })
}

/// The status, and the folder in which the file lies that was answered with.
async fn ask(gateway: &Gateway, path: &str, kind: &Kind) -> (u16, Option<String>) {
    let Kind { before, query, cookie, .. } = kind;
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    let request = format!("GET {before}{path}{query} HTTP/1.1\r\nHost: {HOST}\r\n{cookie}Connection: close\r\n\r\n");
    let answer = raw(gateway.address, request.as_bytes(), |_| false).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let lies_in =
        text.split_once("LIES-IN:<").and_then(|(_, rest)| rest.split_once('>')).map(|(name, _)| name.to_owned());
    (status, lies_in)
}

fn is_free(folder: &str) -> bool {
    folder == "free" || folder.starts_with("free/")
}

async fn gateway(keys: &Keys, nginx: &Nginx, port: u16) -> Gateway {
    let setup = Setup {
        servers: vec![format!("127.0.0.1:{port}")],
        identity: IDENTITY.to_owned(),
        files: keys.files(),
        policy: "{ name: many, limit: 100000, when_exceeded: deny_newest }",
        ..Setup::default()
    };
    assert!(nginx.folder.path().exists());
    setup.start().await
}

/// What opens a folder: every kind of token, and a play session that each of them leads to.
async fn openers(gateway: &Gateway, keys: &Keys) -> Vec<(Kind, Kind)> {
    let mut all = Vec::new();
    for kind in keys.kinds() {
        let entry = kind.below("/a.m3u8");
        let Kind { before, query, cookie, name } = &kind;
        let request = gateway.client.get(gateway.url(&format!("{before}{entry}{query}"))).header("host", HOST);
        let answer = super::support::Answer::of(request.header("cookie", cookie).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{name}: {}\n{}", answer.text(), gateway.log());
        let session = Kind { before: answer.prefix(), ..Kind::in_cookie(name, String::new()) };
        all.push((kind, session));
    }
    all
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_out_of_the_folder_of_a_token_or_of_its_play_session() {
    let Some(nginx) = Nginx::start().await else {
        eprintln!("SKIPPED: there is no nginx; scripts/install test installs it");
        return;
    };
    let keys = Keys::new();
    let mut runner = TestRunner::default();
    for port in nginx.ports {
        let gateway = gateway(&keys, &nginx, port).await;
        let openers = openers(&gateway, &keys).await;
        let (mut served, mut refused) = (0, 0);
        for nth in 0..400 {
            let (token, session) = &openers[nth % openers.len()];
            let below = !token.before.is_empty();
            let path = path_to_somewhere(below).new_tree(&mut runner).unwrap().current();
            let (status, lies_in) = ask(&gateway, &path, token).await;
            assert!(status != 200 || lies_in.as_deref().is_some_and(is_free), "{}: {path} is {lies_in:?}", token.name);
            *(if status == 200 { &mut served } else { &mut refused }) += 1;
            // Of a play session, manifests are held to the folder: they may refer to segments elsewhere.
            let path = path_to_somewhere(false).new_tree(&mut runner).unwrap().current();
            let path = path.split_once("a.ts").map_or(path.clone(), |(head, _)| format!("{head}a.m3u8"));
            let (status, lies_in) = ask(&gateway, &path, session).await;
            let fits = status != 200 || lies_in.as_deref().is_some_and(is_free);
            assert!(fits || is_segment(&path), "play session of {}: {path} is {lies_in:?}", session.name);
            *(if status == 200 { &mut served } else { &mut refused }) += 1;
        }
        assert!(served > 20 && refused > 200, "the paths say something: {served} served, {refused} refused");
    }
}

/// Whether the path, percent-encoding undone, ends like a segment.
fn is_segment(path: &str) -> bool {
    streamgate::model::percent_decoded(path.as_bytes()).ends_with(b".ts")
}

#[tokio::test]
async fn every_way_to_write_a_path_inside_the_folder_is_served() {
    let Some(nginx) = Nginx::start().await else {
        eprintln!("SKIPPED: there is no nginx; scripts/install test installs it");
        return;
    };
    let keys = Keys::new();
    for port in nginx.ports {
        let gateway = gateway(&keys, &nginx, port).await;
        for (token, session) in openers(&gateway, &keys).await {
            for inside in [
                "/a.m3u8",
                "/a.ts",
                "//a.m3u8",
                "/%61%2em3u8",
                "/my%20film/a.m3u8",
                "/my%20film//a.ts",
                "/my%20fil%6D/b+c.m3u8",
                "/my%20film/b%2Bc.m3u8",
                "/my%20film/b%2bc.m3u8",
                "/caf%C3%A9/a.m3u8",
                "/caf%c3%a9/a.m3u8",
                "/café/a.m3u8",
            ] {
                let path = token.below(inside);
                let (status, lies_in) = ask(&gateway, &path, &token).await;
                assert!(status == 200 && is_free(&lies_in.unwrap_or_default()), "{}: {path}: {status}", token.name);
                for path in [format!("/free{inside}"), format!("/fre%65{inside}")] {
                    let (status, lies_in) = ask(&gateway, &path, &session).await;
                    let fits = status == 200 && is_free(&lies_in.unwrap_or_default());
                    assert!(fits, "play session of {}: {path}: {status}", token.name);
                }
            }
            if token.before.is_empty() {
                let (status, _) = ask(&gateway, "/%66r%65e/a.m3u8", &token).await;
                assert_eq!(status, 200, "{}", token.name);
            }
        }
    }
}

#[tokio::test]
async fn paths_that_origins_read_in_different_ways_are_refused_unless_their_route_says_otherwise() {
    let Some(nginx) = Nginx::start().await else {
        eprintln!("SKIPPED: there is no nginx; scripts/install test installs it");
        return;
    };
    let keys = Keys::new();
    let gateway = gateway(&keys, &nginx, nginx.ports[0]).await;
    let openers = openers(&gateway, &keys).await;
    let ambiguous = [
        "/free/my%20film%2Fa.m3u8",
        "/free/x/../a.m3u8",
        "/free/x/%2e%2e/a.m3u8",
        "/free/./a.m3u8",
        "/free\\a.m3u8",
        "/free/x%5C..%5Ca.m3u8",
        "/free/x%2f..%2fa.m3u8",
        "/free/..;x/free/a.m3u8",
    ];
    let (edge, session) = &openers[0];
    for path in ambiguous.iter().chain(&["/free/a.m3u8%00.png", "/free/%00/a.m3u8"]) {
        for opener in [edge, session] {
            assert_eq!(ask(&gateway, path, opener).await.0, 400, "{path}");
        }
        let question = gateway.client.get(format!("http://{}/authz", gateway.control)).header("x-original-uri", *path);
        let answer = super::support::Answer::of(question.header("cookie", &edge.cookie).send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("streamgate-reason")), (403, "ambiguous-path"), "{path}");
    }
    let file = gateway.folder.path().join("streamgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let all = "origin: main, ambiguous_paths: [dot_segments, encoded_slashes, backslashes] }";
    std::fs::write(&file, text.replace("origin: main }", all)).unwrap();
    gateway.signal("HUP");
    gateway.counts("streamgate_config_revision", "", 2).await;
    for opener in [edge, session] {
        for path in &ambiguous[..1] {
            let (status, lies_in) = ask(&gateway, path, opener).await;
            assert_eq!((status, lies_in.as_deref()), (200, Some("free/my film")), "{path}");
        }
        assert_eq!(ask(&gateway, "/free/x/../a.m3u8", opener).await, (200, Some("free".to_owned())));
        assert_eq!(ask(&gateway, "/free/%00/a.m3u8", opener).await.0, 400, "a NUL never passes");
        for path in [
            "/free/../paid/a.m3u8",
            "/free/%2e%2e/paid/a.m3u8",
            "/free%2f..%2fpaid%2fa.m3u8",
            "/free/..%2fpaid/a.m3u8",
            "/free/..%5cpaid/a.m3u8",
            "/free/x//../../paid/a.m3u8",
            "/paid/../free/../paid/a.m3u8",
        ] {
            assert_eq!(ask(&gateway, path, opener).await.0, 403, "{path}");
        }
    }
}
