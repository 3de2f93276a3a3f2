//! What all targets do with a token: verify it, hold it against a request, renew it, and carry it in every place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::uri::PathAndQuery;

use crate::identity::{
    Choice, Claims, Format, Identified, Identity, Mapping, Renewed, RequestFacts, Settings, StreamSource, Take, Token,
    TokenError, Value, Viewer, path,
};
use crate::model::{ApplicationId, Millis};

pub const NOW: Millis = Millis(1_790_000_000_000);
/// Signs the tokens of the targets.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
/// Signs nothing.
pub const UNUSED: &[u8] = b"another secret of thirty-two byt";

/// `https://cdn.example/live/news/720p.m3u8?a=1&b=2`, from 192.0.2.7.
pub fn plain() -> RequestFacts<'static> {
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
        let headers = [("user-agent", "player/1.0"), ("x-country", "DE"), ("cookie", "a=1")];
        headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect()
    });
    of(&HEADERS)
}

/// The same with other headers.
pub fn of(headers: &HeaderMap) -> RequestFacts<'_> {
    RequestFacts {
        host: "cdn.example",
        client: Some([192, 0, 2, 7].into()),
        ..RequestFacts::new("/live/news/720p.m3u8", Some("a=1&b=2"), headers)
    }
}

/// HMAC-SHA-256 with the secret that signs.
pub fn mac(text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, SECRET), text).as_ref().to_vec()
}

/// A signed JSON token of this header and payload, whatever they are.
pub fn jws(header: &[u8], payload: &[u8]) -> String {
    resigned(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload)))
}

/// `HEADER.PAYLOAD`, whatever they are, with the signature that belongs to it.
pub fn resigned(signed: &str) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac(signed.as_bytes())))
}

/// In lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// With `%XX` for everything but letters and digits.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// What a format whose keys sign nothing says of any token.
pub fn refuse(strangers: &dyn Format, token: &[u8], request: &RequestFacts<'_>) {
    assert!(strangers.verify(token, request, NOW).is_err(), "nobody signed this token");
}

/// What the format says of the token, with the request or without; and of its successor, where the token asks for one.
pub fn judge(format: &dyn Format, token: &[u8], request: &RequestFacts<'_>) -> Result<Claims, TokenError> {
    let accepted = format.accept(token, request, NOW).map(drop);
    let claims = format.verify(token, request, NOW)?;
    assert_eq!(claims.permits(request), accepted, "conditions were checked on the way");
    assert!(claims.expires() > NOW, "an expired token is verified");
    for name in ["sub", "ext.list.0.id", "a..b", "", "."] {
        let _ = claims.text(name);
    }
    if let Some(renewed) = format.renew(&claims, request, NOW) {
        let value = renewed.value.to_str().unwrap().split(';').next().unwrap_or_default();
        let cookie = || value.split_once('=').unwrap().1;
        let token = if renewed.name == SET_COOKIE { cookie() } else { value };
        let successor = format.verify(token.as_bytes(), request, NOW).expect("a successor is as good as its token");
        assert_eq!(successor.permits(request), accepted);
        assert_eq!(lasting(&successor), lasting(&claims), "a successor says something else");
    }
    accepted.map(|()| claims)
}

/// All claims but the times that a successor has of its own.
fn lasting(claims: &Claims) -> Vec<(&String, &serde_json::Value)> {
    let mut lasting: Vec<_> =
        claims.members().iter().filter(|(name, _)| !["exp", "iat"].contains(&name.as_str())).collect();
    lasting.sort_by_key(|(name, _)| *name);
    lasting
}

/// A value from the first of these places, of which `NAME|NUMBER` is a part of a text with `:` in it.
pub fn value(places: &[&str]) -> Value {
    let choice = |place: &&str| {
        let (source, take) = place.split_once('|').map_or((*place, None), |(source, take)| (source, take.parse().ok()));
        let take = take.map(|number| Take::Part { separator: ":".into(), number });
        Choice { source: source.parse().unwrap(), take }
    };
    Value::new(places.iter().map(choice).collect())
}

/// A kind of token in these places.
pub fn kind(format: &Arc<dyn Format>, sources: &[&str]) -> Token {
    let sources = sources.iter().map(|source| source.parse().unwrap()).collect();
    Token { sources, format: Arc::clone(format), forward: false, replaced_by: None }
}

/// Inputs that an [`Identity`] serves: to make one takes longer than to ask it, and it remembers every token.
const MAX_USES: usize = 32;

/// The application, whose number is `which`, that knows its viewers by these tokens.
pub fn identity(which: usize, tokens: impl FnOnce() -> Vec<Token>, mapping: impl FnOnce() -> Mapping) -> Rc<Identity> {
    thread_local! {
        static KNOWN: RefCell<HashMap<usize, (Rc<Identity>, usize)>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        known.retain(|_, (_, uses)| *uses < MAX_USES);
        let (identity, uses) = known.entry(which).or_insert_with(|| {
            let settings = Settings { tokens: tokens(), mapping: mapping(), declared: None };
            (Rc::new(Identity::new(ApplicationId("tv".into()), settings)), 0)
        });
        *uses += 1;
        Rc::clone(identity)
    })
}

/// What the token alone tells.
fn of_token_alone() -> Mapping {
    Mapping {
        idp: value(&["claim:iss", "acme"]),
        subject: value(&["claim:sub|1", "claim:id", "claim:data_unescaped", "claim:SessionID", "claim:Key-Pair-Id"]),
        device: Some(value(&["claim:sub|2", "claim:ext.device"])),
        stream: StreamSource { named: Some(value(&["claim:jti", "claim:Data"])), mint: true },
        attributes: vec![("tier".into(), value(&["claim:ext.tiers.0", "free"]))],
    }
}

/// A request that goes the gateway's way: the token out of the path, the viewer from the token, the rest upstream. `None`
/// where there is no token.
pub fn ask(
    identity: &Identity,
    uri: &str,
    headers: &HeaderMap,
    facts: RequestFacts<'_>,
) -> Option<Result<Identified, TokenError>> {
    let uri = PathAndQuery::from_str(uri).ok().filter(|uri| uri.path().starts_with('/'))?;
    let whole = uri.path();
    let (sealed, path) = path::split(whole).map_or((None, whole), |(sealed, path)| (Some(sealed), path));
    let bare = identity.take_from_path(path, sealed.is_none());
    if let Some(bare) = &bare {
        let found = bare.in_path();
        assert!(bare.path.starts_with('/'), "{path} became {}", bare.path);
        assert!(!found.token.is_empty() && path.starts_with(found.before), "{found:?} is not in {path}");
    }
    let facts = RequestFacts {
        path: bare.as_ref().map_or(path, |bare| &bare.path),
        in_path: bare.as_ref().map(|bare| bare.in_path()),
        query: uri.query(),
        raw_query: uri.query(),
        headers,
        ..facts
    };
    let answer = identity.identify(&facts, NOW);
    let again = identity.identify(&facts, NOW);
    assert_eq!(outcome(answer.as_ref()), outcome(again.as_ref()), "what is remembered differs from what was verified");
    if let Some(Ok(proved)) = &answer {
        assert!(proved.viewer.scope.covers(facts.path), "the token is not good for {}", facts.path);
    }
    let _ = identity.question(&facts);

    let query = uri.query().map(|query| identity.strip_query(query));
    if let Some((before, after)) = uri.query().zip(query.as_deref()) {
        assert_eq!(identity.strip_query(after), after, "{before}: a second look finds more");
        assert_eq!(identity.query_tokens(before).is_some(), before != after, "{before} became {after}");
    }
    let headers = upstream(identity, headers);
    let rest = RequestFacts {
        in_path: None,
        query: query.as_deref(),
        raw_query: query.as_deref(),
        headers: &headers,
        ..facts
    };
    assert!(identity.identify(&rest, NOW).is_none(), "a token is left in {query:?} {headers:?}");
    answer
}

fn outcome(answer: Option<&Result<Identified, TokenError>>) -> Option<Result<(Viewer, Option<Renewed>), TokenError>> {
    let proved = |proved: &Identified| (Viewer::clone(&proved.viewer), proved.renewed.clone());
    answer.map(|answer| answer.as_ref().map(proved).map_err(|error| *error))
}

/// The headers without tokens.
fn upstream(identity: &Identity, headers: &HeaderMap) -> HeaderMap {
    let mut left = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !identity.is_token_header(name)) {
        if name == COOKIE {
            let text: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            if let Some(kept) = identity.strip_cookie(&text) {
                let bytes: Vec<u8> = kept.chars().map(|c| u8::try_from(c).unwrap()).collect();
                left.append(COOKIE, HeaderValue::try_from(bytes).unwrap());
            }
        } else {
            left.append(name.clone(), value.clone());
        }
    }
    left
}

/// The token in every place where it may be.
pub fn carry(format: &Arc<dyn Format>, token: &str) {
    for end in ['&', '/', ';'] {
        assert!(token.get(..format.extent(token, end)).is_some(), "the token ends within a character");
    }
    let places = ["query:t", "header:x-t", "cookie:t", "segment:t", "param:t", "segment:1"];
    let which = Arc::as_ptr(format).addr();
    let identity = identity(which, || vec![kind(format, &places)], of_token_alone);
    in_header(format, token, &identity);
    let none = HeaderMap::new();
    for uri in [
        format!("/live/a.m3u8?a=1&t={token}&b=2"),
        format!("/t={token}/live/a.m3u8"),
        format!("/live/a.m3u8;t={token}?a=1"),
        format!("/{token}/live/a.m3u8"),
    ] {
        ask(&identity, &uri, &none, plain());
    }
    if let Ok(cookie) = HeaderValue::try_from(format!("a=1; t={token}; b=2")) {
        ask(&identity, "/live/a.m3u8", &HeaderMap::from_iter([(COOKIE, cookie)]), plain());
    }
}

/// In a header a token is what it is, and [`Identity`] says of it what the format says.
fn in_header(format: &Arc<dyn Format>, token: &str, identity: &Identity) {
    let Ok(value) = HeaderValue::from_str(token) else { return };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-t"), value)]);
    let facts = of(&headers);
    let token = token.trim_ascii();
    let judged = format.accept(token.as_bytes(), &facts, NOW).map(drop);
    match identity.identify(&facts, NOW) {
        None => assert!(token.is_empty()),
        Some(Ok(_)) => assert_eq!(judged, Ok(())),
        Some(Err(TokenError::NoAccount | TokenError::BadSession)) => {}
        Some(Err(error)) => assert_eq!(judged, Err(error)),
    }
}
