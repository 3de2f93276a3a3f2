//! Runs the published vectors for URI Signing (RFC 9246): tokens, where they are found, and the URIs that they are for.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use streamgate::identity::jwt::{Algorithm, Key, sign_hs};
use streamgate::identity::uri_signing::{ContentKey, Coverage, Settings, UriSigning, decrypt};
use streamgate::identity::uri_signing::{normal_form, remove_dot_segments};
use streamgate::identity::{
    self, Claims, Format, Identity, Issuer, Issuers, Keys, Mapping, RequestFacts, StreamSource, StrippedPath, Token,
    TokenError, ValueSource,
};
use streamgate::model::{ApplicationId, Millis};

use super::corpus::{text, vectors};

/// Of vectors that have no key of their own.
const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

#[test]
fn every_uri_signing_vector_gets_its_verdict() {
    let Some(vectors) = vectors("uri_signing") else { return };
    let mut run = 0;
    for vector in &vectors {
        let id = text(vector, "id");
        let good = match text(vector, "kind") {
            "normalize" => normal_form(text(vector, "uri")).is_some_and(|normal| is(vector, "expected", &normal)),
            "remove-dot-segments" => is(vector, "expected", &remove_dot_segments(text(vector, "input"))),
            "regex" => {
                Coverage::Part.compile(text(vector, "regex")).is_some_and(|regex| regex.holds(text(vector, "uri")))
            }
            "extract" => is_found_and_stripped(vector),
            "jwe" => decrypt(&[content_key(&vector["keys"][0])], text(vector, "token"))
                .is_ok_and(|text| is(vector, "expected", &text)),
            "audience" => judged(vector, of_audience(vector)),
            "claims" => judged(vector, of_claims(vector)),
            "request" => judged(vector, of_request(vector)),
            kind => panic!("{id} is of an unknown kind: {kind}"),
        };
        match text(vector, "verdict") {
            "valid" => assert!(good, "{id} is good"),
            "invalid" => assert!(!good, "{id} is bad"),
            _ => {}
        }
        run += 1;
    }
    assert!(run >= 71, "{run} vectors");
}

fn is(vector: &Value, name: &str, found: &str) -> bool {
    assert_eq!(vector[name].as_str(), Some(found), "{}", text(vector, "id"));
    true
}

/// Whether the result is a good one, which says what the vector says; a bad one is bad for the vector's reason.
fn judged(vector: &Value, result: Result<Claims, TokenError>) -> bool {
    let id = text(vector, "id");
    match result {
        Ok(claims) => {
            for (name, expected) in vector["claims"].as_object().into_iter().flatten() {
                let found = claims.members().get(name);
                // What was encrypted says what was in it.
                if expected.as_str().is_some_and(|claim| claim.split('.').count() == 5) {
                    assert!(found.is_some_and(|found| found != expected), "{id} {name}");
                } else {
                    assert_eq!(found, Some(expected), "{id} {name}");
                }
            }
            true
        }
        Err(error) => {
            let fitting = match text(vector, "reason") {
                "expired" => error == TokenError::Expired,
                "not_yet_valid" => error == TokenError::NotYet,
                "audience" => error == TokenError::WrongAudience,
                "path" => error == TokenError::WrongUrl,
                "ip" => error == TokenError::WrongClient,
                "crit" => error == TokenError::Critical,
                "claims" => matches!(error, TokenError::Critical | TokenError::Malformed),
                _ => text(vector, "verdict") == "acceptable",
            };
            assert!(fitting, "{id}: {error:?}");
            false
        }
    }
}

/// Searches for expressions in the manner of the vectors' source, and wants no `exp`, as they do not all have one.
fn settings(issuers: Issuers) -> Settings {
    Settings { expiry_required: false, regex: Coverage::Part, ..Settings::strict(issuers) }
}

fn issuer(name: Option<&str>, audience: Option<&str>, keys: Vec<Key>) -> Issuers {
    let audience = audience.into_iter().map(Into::into).collect();
    Issuers::new(vec![Issuer { name: name.map(Into::into), audience, keys: Arc::new(Keys::new(keys)) }])
}

fn of_audience(vector: &Value) -> Result<Claims, TokenError> {
    let claims = json!({ "aud": vector["aud"] });
    let key = Key::hmac(Algorithm::HS256, None, SECRET).unwrap();
    let settings = settings(issuer(None, vector["identity"].as_str(), vec![key]));
    ask(Settings { uri_required: false, ..settings }, &claims, "http://a.example/", 0)
}

fn of_claims(vector: &Value) -> Result<Claims, TokenError> {
    let key = Key::hmac(Algorithm::HS256, None, SECRET).unwrap();
    let issuers = issuer(vector["claims"]["iss"].as_str(), None, vec![key]);
    ask(settings(issuers), &vector["claims"], text(vector, "uri"), vector["now"].as_u64().unwrap())
}

/// Signs the claims with the secret, and asks for the URI.
fn ask(settings: Settings, claims: &Value, uri: &str, now: u64) -> Result<Claims, TokenError> {
    let token = sign_hs(Algorithm::HS256, SECRET, claims.as_object().unwrap()).unwrap();
    let uri = Uri::of(uri);
    let headers = HeaderMap::new();
    UriSigning::new(settings).accept(token.as_bytes(), &uri.request(&headers), Millis(now * 1000))
}

/// A whole request: its token is found, taken out and verified, by what the gateway uses for that.
fn of_request(vector: &Value) -> Result<Claims, TokenError> {
    let (config, request) = (&vector["config"], &vector["request"]);
    let algorithm: Algorithm = config["algs"][0].as_str().unwrap().parse().unwrap();
    let keys = config["keys"].as_array().unwrap().iter().map(|jwk| key(algorithm, jwk)).collect();
    let name = config["iss"].as_str().or_else(|| config["iss"][0].as_str());
    let settings = Settings {
        uri_required: config["cdniuc_required"].as_bool() != Some(false),
        decrypt: config["jwe_key"].is_object().then(|| content_key(&config["jwe_key"])).into_iter().collect(),
        ..settings(issuer(name, config["aud"].as_str(), keys))
    };
    let witness = Arc::new(Witness { format: UriSigning::new(settings), claims: Mutex::default() });
    let identity = identity("URISigningPackage", Arc::<Witness>::clone(&witness));
    let mut headers = HeaderMap::new();
    if let Some(cookies) = request["headers"]["Cookie"].as_str() {
        headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
    }
    let uri = Uri::of(text(request, "url"));
    let bare = identity.take_from_path(uri.path, true);
    let facts = RequestFacts {
        path: bare.as_ref().map_or(uri.path, |bare| &bare.path),
        in_path: bare.as_ref().map(StrippedPath::in_path),
        client: request["ip"].as_str().map(|ip| ip.parse::<IpAddr>().unwrap()),
        ..uri.request(&headers)
    };
    let now = Millis(vector["now"].as_u64().unwrap() * 1000);
    identity.identify(&facts, now).unwrap()?;
    Ok(witness.claims.lock().unwrap().take().unwrap())
}

/// HMAC fills a short secret up with zeros (RFC 2104 §2), so the published ones of six bytes are keys all the same.
fn key(algorithm: Algorithm, jwk: &Value) -> Key {
    if text(jwk, "kty") != "oct" {
        return Key::public_jwk(algorithm, None, jwk.to_string().as_bytes()).unwrap();
    }
    let mut secret = URL_SAFE_NO_PAD.decode(text(jwk, "k")).unwrap();
    secret.resize(secret.len().max(32), 0);
    Key::hmac(algorithm, jwk["kid"].as_str(), &secret).unwrap()
}

fn content_key(jwk: &Value) -> ContentKey {
    ContentKey::new(jwk["kid"].as_str(), &URL_SAFE_NO_PAD.decode(text(jwk, "k")).unwrap()).unwrap()
}

/// Whether the token is found, and the URI without it is the vector's. An empty path and `/` are the same.
fn is_found_and_stripped(vector: &Value) -> bool {
    let uri = Uri::of(text(vector, "uri"));
    let format = UriSigning::new(settings(issuer(None, None, Vec::new())));
    let identity = identity(text(vector, "parameter"), Arc::new(format));
    let bare = identity.take_from_path(uri.path, true);
    let in_query = uri.query.and_then(|query| identity.query_tokens(query));
    assert!(bare.is_none() || in_query.is_none(), "{} has one token", text(vector, "id"));
    if bare.is_none() && in_query.is_none() {
        return false;
    }
    let path = bare.map_or(uri.path.to_owned(), |bare| bare.path);
    let query = uri.query.map(|query| identity.strip_query(query)).filter(|query| !query.is_empty());
    let left = Uri { path: &path, query: query.as_deref(), ..uri };
    let (left, expected) = (left.written(), text(vector, "stripped"));
    assert_eq!(left.strip_suffix('/').unwrap_or(&left), expected.strip_suffix('/').unwrap_or(expected));
    true
}

/// An application whose tokens have this name, wherever RFC 9246 and Traffic Server look for them.
fn identity(name: &str, format: Arc<dyn Format>) -> Identity {
    let sources = if name.ends_with('/') { vec![format!("segment:{name}")] } else { everywhere(name) };
    let token = Token {
        sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        format,
        forward: false,
        replaced_by: None,
    };
    let literal = |text: &str| ValueSource::Literal(text.into()).into();
    let mapping = Mapping {
        idp: literal("acme"),
        subject: literal("alice"),
        device: None,
        stream: StreamSource::minted(),
        attributes: Vec::new(),
    };
    Identity::new(ApplicationId("tv".into()), identity::Settings { tokens: vec![token], mapping, declared: None })
}

fn everywhere(name: &str) -> Vec<String> {
    ["query", "segment", "param", "cookie"].map(|place| format!("{place}:{name}")).into()
}

/// Remembers the claims of the last token that was good.
struct Witness {
    format: UriSigning,
    claims: Mutex<Option<Claims>>,
}

impl Format for Witness {
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let claims = self.format.verify(token, request, now)?;
        *self.claims.lock().unwrap() = Some(claims.clone());
        Ok(claims)
    }

    fn opens(&self, before: char) -> bool {
        self.format.opens(before)
    }

    fn extent(&self, rest: &str, end: char) -> usize {
        self.format.extent(rest, end)
    }
}

/// A URI, in parts; the scheme may be missing.
#[derive(Clone, Copy)]
struct Uri<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    fn of(uri: &'a str) -> Self {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { scheme, host, path, query }
    }

    fn request(&self, headers: &'a HeaderMap) -> RequestFacts<'a> {
        let Self { scheme, host, path, query } = *self;
        RequestFacts { scheme, host, ..RequestFacts::new(path, query, headers) }
    }

    fn written(&self) -> String {
        let query = self.query.map_or_else(String::new, |query| format!("?{query}"));
        format!("{}{}{query}", self.host, self.path)
    }
}
