use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::identity::{
    Callback, CallbackSource, Format, Forwarding, Mapping, RequestFacts, StreamSource, Token, TrustedHops,
};

use super::Seed;
use super::ask::{NOW, ask, hex, identity, jws, kind, mac, plain, value};
use super::{cat, cloud_front, edge_auth, jwt, media_cdn, uri_signing};

const CLAIMS: &[u8] = br#"{"sub":"alice","exp":1790000600,"jti":"7f3a","ext":{"tiers":["gold"]}}"#;
const FOR_URI: &[u8] =
    br#"{"sub":"alice","exp":1790000600,"cdniuc":"regex:https://cdn.example/.*","cdnistt":1,"cdniets":600}"#;
const POLICY: &[u8] = br#"{"Statement":[{"Condition":{"DateLessThan":{"AWS:EpochTime":1790000600}}}]}"#;

/// What stands in an input for a good token, all of them of one account.
static TOKENS: LazyLock<[(&str, String); 6]> = LazyLock::new(|| {
    let fields = "exp=1790000600~acl=/*~id=alice";
    [
        ("{jwt}", jws(br#"{"alg":"HS256"}"#, CLAIMS)),
        ("{cat}", cat::token()),
        ("{uri}", jws(br#"{"alg":"HS256"}"#, FOR_URI)),
        ("{edge}", format!("{fields}~hmac={}", hex(&mac(fields.as_bytes())))),
        ("{media}", media_cdn::token("PathGlobs=/*~Expires=1790000600~SessionID=alice")),
        ("{cloud}", cloud_front::signed(POLICY)),
    ]
});

static HOPS: LazyLock<[TrustedHops; 3]> = LazyLock::new(|| {
    let header = Forwarding::Header(HeaderName::from_static("x-client"));
    [Forwarding::XForwardedFor, Forwarding::Forwarded, header]
        .map(|from| TrustedHops::new(vec!["192.0.2.0/24".parse().unwrap()], from))
});

fn kinds() -> Vec<Token> {
    let callback: Arc<dyn Format> = Arc::new(Callback::new(&CallbackSource::new("tv", "http://127.0.0.1/")));
    let uri = "URISigningPackage";
    vec![
        Token {
            replaced_by: Some("sub".into()),
            ..kind(jwt::ours(), &["query:token", "header:authorization", "cookie:token", "segment:1"])
        },
        kind(
            cat::ours(),
            &["query:CAT", "header:cta-common-access-token", "cookie:cta-common-access-token", "segment:cat/"],
        ),
        kind(
            uri_signing::ours(),
            &["query", "cookie", "segment", "param"]
                .map(|place| format!("{place}:{uri}"))
                .each_ref()
                .map(String::as_str),
        ),
        kind(edge_auth::ours(), &["query:hdnts", "cookie:hdntl", "segment:hdntl"]),
        kind(cloud_front::ours(), &["query:Signature", "cookie:CloudFront-Signature"]),
        kind(media_cdn::ours(), &["query:edge-cache-token", "cookie:Edge-Cache-Cookie", "segment:edge-cache-token"]),
        kind(&callback, &["query:key", "header:x-key"]),
    ]
}

fn mapping() -> Mapping {
    Mapping {
        idp: value(&["acme"]),
        subject: value(&["claim:sub", "claim:id", "claim:SessionID", "claim:Key-Pair-Id"]),
        device: Some(value(&["header:x-device", "query:device|2", "cookie:device", "cmcd:did"])),
        stream: StreamSource { named: Some(value(&["cmcd:sid", "claim:jti"])), mint: true },
        attributes: vec![
            ("channel".into(), value(&["path:^/live/([^/]+)/"])),
            ("tier".into(), value(&["claim:ext.tiers.0", "query:tier"])),
            ("live".into(), value(&["manifest:live"])),
            ("player".into(), value(&["header:user-agent"])),
        ],
    }
}

/// A request: its path and query, then a line for each header. Every format is configured, in every place.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = TOKENS.iter().fold(text.to_owned(), |text, (name, token)| text.replacen(name, token, 4));
    let (uri, lines) = text.split_once('\n').unwrap_or((&text, ""));
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let headers: HeaderMap = lines.split('\n').filter_map(field).take(64).collect();
    let peer = plain().client;
    for hops in &*HOPS {
        assert!(hops.client(peer, &headers).is_some());
    }
    let facts = RequestFacts { client: HOPS[0].client(peer, &headers), ..plain() };
    if let Some(Ok(proved)) = ask(&identity(0, kinds, mapping), uri, &headers, facts) {
        let viewer = proved.viewer;
        assert!(["alice", "K1"].contains(&&*viewer.account.subject), "nobody signed for {:?}", viewer.account);
        assert!(viewer.expires > NOW && viewer.expires <= NOW + Duration::from_mins(11));
    }
}

pub fn seeds() -> Vec<Seed> {
    let texts = [
        ("plain", "/live/news/720p.m3u8?a=1&b=2\nuser-agent: player/1.0\n"),
        ("query", "/live/news/720p.m3u8?a=1&token={jwt}&b=2"),
        ("query-twice", "/live/a.m3u8?token={jwt}&token=x&token&xtoken=1&token={jwt}"),
        ("query-several", "/live/a.m3u8?CAT={cat}&token={jwt}&URISigningPackage={uri}&hdnts={edge}&key=1"),
        ("query-cat", "/live/a.m3u8?CAT={cat}"),
        ("query-uri", "/live/a.m3u8?a=1!URISigningPackage={uri}!b=2&URISigningPackage={uri}"),
        ("query-edge", "/live/a.m3u8?hdnts={edge}&b=2"),
        ("query-media", "/live/a.m3u8?edge-cache-token={media}&b=2"),
        ("query-cloud", "/live/a.m3u8?a=1&{cloud}&b=2"),
        ("query-key", "/live/a.m3u8?key=abc&b=2"),
        ("bearer", "/live/a.m3u8\nauthorization: bearer {jwt}\nauthorization: Basic eDp5\n"),
        ("header", "/live/a.m3u8\ncta-common-access-token: {cat}\nx-key: k\n"),
        ("cookie", "/live/a.m3u8\ncookie: a=1; token={jwt}; b=\"2\"\ncookie: token=x; hdntl={edge}\n"),
        ("cookies", "/live/a.m3u8\ncookie: Edge-Cache-Cookie={media}; URISigningPackage={uri};; =; token\n"),
        ("cookie-quoted", "/live/a.m3u8\ncookie:  token = x;token=\"{jwt}\"; \u{a0}token=1\n"),
        ("segment", "/{jwt}/manifest/video.m3u8"),
        ("segment-named", "/live/URISigningPackage={uri}/a.m3u8"),
        ("segment-folder", "/cat/{cat}/live/a.m3u8"),
        ("segment-edge", "/hdntl={edge}/live/a.m3u8"),
        ("segment-media", "/live/edge-cache-token={media}/a.m3u8"),
        ("segment-glued", "/URISigningPackage={uri}!live/URISigningPackage={uri}/a"),
        ("param", "/live/a.m3u8;URISigningPackage={uri};x=1?b=2"),
        ("param-first", "/;URISigningPackage={uri}"),
        ("play-session", "/~s/AbC-_/{jwt}/a.m3u8?token={jwt}"),
        ("play-session-escaped", "/%7Es/AbC/~s/D//a"),
        ("cmcd", "/live/a.m3u8?token={jwt}&CMCD=sid%3D%22s-1%22,did%3D%22tv%22&device=a:b:c"),
        ("cmcd-headers", "/live/a.m3u8?token={jwt}\ncmcd-session: sid=\"s-1\"\ncmcd-request: v=2\nx-device: tv\n"),
        (
            "forwarded",
            "/a?token={jwt}\nx-forwarded-for: 203.0.113.9, 192.0.2.1\nforwarded: for=\"[2001:db8::1]:443\";by=x, for=192.0.2.2\nx-client: 203.0.113.9:80\n",
        ),
        (
            "forwarded-broken",
            "/a?token={jwt}\nx-forwarded-for: ,unknown,[::1,192.0.2.1\nforwarded: for=\",\"x\";for=_a\nx-client: [::ffff:192.0.2.1]:x\n",
        ),
        ("escaped", "/live/%2e%2E/a.m3u8?%74oken={jwt}&token=%65yJ"),
    ];
    texts.map(|(name, text)| (name, text.into())).into()
}
