//! Common Access Tokens against another implementation, the crate `common-access-token` (HS256): what one makes the other
//! verifies, and both say the same.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use common_access_token::cat_claims::{catm, catr, catreplay, catu, catv};
use common_access_token::{Algorithm as Theirs, CborValue, KeyId, RegisteredClaims, Token, TokenBuilder};
use http::Method;
use http::header::HeaderMap;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use streamgate::identity::cat::{Cat, Replay, Settings, sign_hs};
use streamgate::identity::jwt::{Algorithm, Key};
use streamgate::identity::{Claims, Format, Issuers, Keys, RequestFacts, TokenError};
use streamgate::model::Millis;

const NOW: u64 = 1_800_000_000;
const PATH: &str = "/live/news/720p.m3u8";
const URL: &str = "https://cdn.example/live/news/720p.m3u8";

/// What a token says, in neither dialect.
#[derive(Clone, Debug)]
struct Said {
    secret: Vec<u8>,
    kid: Option<String>,
    /// How the other implementation writes the kid.
    kid_is_text: bool,
    kid_is_protected: bool,
    issuer: Option<String>,
    subject: Option<String>,
    audience: Option<String>,
    id: Option<Vec<u8>>,
    expires: u64,
    begins: Option<u64>,
    issued: Option<u64>,
    replay: Option<i32>,
    version: bool,
    methods: Option<Vec<&'static str>>,
    /// Part, kind of match, text.
    url: Vec<(i32, i32, &'static str)>,
    renewal: Option<(i64, i64)>,
    /// Under a private label.
    plan: Option<String>,
}

fn name() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[ -~é€]{0,40}")
}

prop_compose! {
    fn said()(
        secret in prop::collection::vec(any::<u8>(), 32..80),
        (kid, kid_is_text, kid_is_protected) in (prop::option::of("[a-z0-9]{1,20}"), any::<bool>(), any::<bool>()),
        (issuer, subject, audience) in (name(), name(), name()),
        id in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        (lasts, begins, issued) in (1..1_000_000_u64, prop::option::of(0..=NOW), prop::option::of(any::<u32>())),
        (replay, version) in (prop::option::of(0..=2), any::<bool>()),
        methods in prop::option::of(prop::sample::subsequence(vec!["GET", "HEAD", "POST"], 0..=3)),
        url in prop::collection::btree_map(select(vec![0, 1, 3, 5, 6, 7, 8]), (0..=3, select(vec![
            "https", "cdn.example", PATH, "/live/news", "720p.m3u8", "720p", ".m3u8", "/", "0", "",
        ])), 0..3),
        renewal in prop::option::of((1..1000_i64, 1..1000_i64)),
        plan in name(),
    ) -> Said {
        let url = url.into_iter().map(|(part, (kind, text))| (part, kind, text)).collect();
        let issued = issued.map(u64::from);
        Said {
            secret, kid, kid_is_text, kid_is_protected, issuer, subject, audience, id, expires: NOW + lasts, begins,
            issued, replay, version, methods, url, renewal, plan,
        }
    }
}

const PRIVATE: i32 = -70_000;

impl Said {
    /// A token of the other implementation.
    fn theirs(&self) -> Token {
        let mut claims = RegisteredClaims::new().with_expiration(self.expires);
        claims.iss.clone_from(&self.issuer);
        claims.sub.clone_from(&self.subject);
        claims.aud.clone_from(&self.audience);
        claims.cti.clone_from(&self.id);
        claims.nbf = self.begins;
        claims.iat = self.issued;
        let mut token = TokenBuilder::new().algorithm(Theirs::HmacSha256).registered_claims(claims);
        if let Some(kid) = &self.kid {
            let kid = if self.kid_is_text { KeyId::string(kid) } else { KeyId::binary(kid.as_bytes()) };
            token = if self.kid_is_protected { token.protected_key_id(kid) } else { token.unprotected_key_id(kid) };
        }
        if let Some(replay) = self.replay {
            token = token.custom_cbor(308, catreplay::create(replay));
        }
        if self.version {
            token = token.custom_cbor(310, catv::create());
        }
        if let Some(methods) = &self.methods {
            token = token.custom_array(313, catm::create(methods.clone()));
        }
        if !self.url.is_empty() {
            let one = |(part, kind, text): &(i32, i32, &str)| {
                (*part, BTreeMap::from([(*kind, CborValue::Text((*text).to_owned()))]))
            };
            token = token.custom_cbor(312, catu::create(self.url.iter().map(one).collect()));
        }
        if let Some((lifetime, deadline)) = self.renewal {
            token = token.custom_map(323, catr::automatic_renewal(lifetime, Some(deadline)));
        }
        if let Some(plan) = &self.plan {
            token = token.custom_string(PRIVATE, plan);
        }
        token.sign(&self.secret).unwrap()
    }

    /// A token of ours.
    fn ours(&self) -> String {
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |number: i32| Value::from(number);
        let list = |items: &Vec<&str>| Value::Array(items.iter().map(|item| text(item)).collect());
        let url = self
            .url
            .iter()
            .map(|(part, kind, wanted)| (number(*part), Value::Map(vec![(number(*kind), text(wanted))])));
        let renewal = |(lifetime, deadline): (i64, i64)| {
            Value::Map(vec![(0.into(), 0.into()), (1.into(), lifetime.into()), (2.into(), deadline.into())])
        };
        let claims = [
            (1, self.issuer.as_deref().map(text)),
            (2, self.subject.as_deref().map(text)),
            (3, self.audience.as_deref().map(text)),
            (4, Some(self.expires.into())),
            (5, self.begins.map(Value::from)),
            (6, self.issued.map(Value::from)),
            (7, self.id.clone().map(Value::Bytes)),
            (308, self.replay.map(number)),
            (310, self.version.then(|| 1.into())),
            (312, (!self.url.is_empty()).then(|| Value::Map(url.collect()))),
            (313, self.methods.as_ref().map(list)),
            (323, self.renewal.map(renewal)),
            (PRIVATE.into(), self.plan.as_deref().map(text)),
        ];
        let claims: Vec<_> = claims.into_iter().filter_map(|(label, value)| Some((label, value?))).collect();
        sign_hs(Algorithm::HS256, self.kid.as_deref(), &self.secret, &claims).unwrap()
    }

    fn reader(&self) -> Cat {
        let keys = Keys::new([Key::hmac(Algorithm::HS256, Some("ours"), &self.secret).unwrap()]);
        Cat::new(Settings {
            issuers: Issuers::anybody(Arc::new(keys)),
            leeway: Duration::ZERO,
            ignore: Vec::new(),
            country_header: None,
            renew: true,
            replay: Replay::PerPlay,
        })
    }

    /// What our reader finds in a token has to be this.
    fn is_told_by(&self, claims: &Claims) -> Result<(), TestCaseError> {
        let text = |name: &str| claims.text(name).map(std::borrow::Cow::into_owned);
        let number = |name: &str| claims.members().get(name).map(|value| value.as_u64().unwrap());
        let pair = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes = |hex: String| (0..hex.len()).step_by(2).map(|at| pair(&hex, at)).collect::<Vec<_>>();
        prop_assert_eq!(text("iss"), self.issuer.clone());
        prop_assert_eq!(text("sub"), self.subject.clone());
        prop_assert_eq!(text("aud"), self.audience.clone());
        prop_assert_eq!(text("cti").map(bytes), self.id.clone());
        prop_assert_eq!(number("exp"), Some(self.expires));
        prop_assert_eq!(number("nbf"), self.begins);
        prop_assert_eq!(number("iat"), self.issued);
        prop_assert_eq!(text("catreplay"), self.replay.map(|value| value.to_string()));
        prop_assert_eq!(text("catr.1"), self.renewal.map(|(lifetime, _)| lifetime.to_string()));
        prop_assert_eq!(text(&PRIVATE.to_string()), self.plan.clone());
        prop_assert_eq!(claims.expires(), Millis(self.expires * 1000));
        Ok(())
    }
}

fn verify(cat: &Cat, token: &[u8], now: u64) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    cat.verify(token, &RequestFacts::new(PATH, None, &headers), Millis(now * 1000))
}

/// Whether the other implementation lets the token open the URL with that method.
fn they_permit(token: &Token, method: &Method) -> bool {
    let wanted = common_access_token::VerificationOptions::new()
        .verify_exp(false)
        .verify_nbf(false)
        .verify_catu(true)
        .uri(URL)
        .verify_catm(true)
        .http_method(method.as_str());
    token.verify_claims(&wanted).is_ok()
}

fn we_permit(claims: &Claims, method: &Method) -> bool {
    let headers = HeaderMap::new();
    let request = RequestFacts { method, host: "cdn.example", ..RequestFacts::new(PATH, None, &headers) };
    claims.permits(&request).is_ok()
}

proptest! {
    #[test]
    fn a_token_of_theirs_says_here_what_it_says_there(said in said(), method in select(vec![Method::GET, Method::POST])) {
        let theirs = said.theirs();
        let token = URL_SAFE_NO_PAD.encode(theirs.to_bytes().unwrap());
        let claims = verify(&said.reader(), token.as_bytes(), NOW).map_err(|error| TestCaseError::fail(error.to_string()))?;
        said.is_told_by(&claims)?;
        prop_assert_eq!(we_permit(&claims, &method), they_permit(&theirs, &method));
        prop_assert_eq!(verify(&said.reader(), token.as_bytes(), said.expires).err(), Some(TokenError::Expired));
    }

    #[test]
    fn a_token_of_ours_says_there_what_it_says_here(said in said(), method in select(vec![Method::GET, Method::POST])) {
        let token = said.ours();
        let theirs = Token::from_bytes(&URL_SAFE_NO_PAD.decode(&token).unwrap()).unwrap();
        prop_assert!(theirs.verify(&said.secret).is_ok());
        prop_assert_eq!(theirs.issuer(), said.issuer.as_deref());
        prop_assert_eq!(theirs.subject(), said.subject.as_deref());
        prop_assert_eq!(theirs.audience(), said.audience.as_deref());
        prop_assert_eq!(theirs.expiration(), Some(said.expires));
        prop_assert_eq!(theirs.not_before(), said.begins);
        prop_assert_eq!(theirs.issued_at(), said.issued);
        prop_assert_eq!(theirs.get_custom_string(PRIVATE), said.plan.as_deref());
        let claims = verify(&said.reader(), token.as_bytes(), NOW).map_err(|error| TestCaseError::fail(error.to_string()))?;
        said.is_told_by(&claims)?;
        prop_assert_eq!(we_permit(&claims, &method), they_permit(&theirs, &method));
    }

    #[test]
    fn a_renewed_token_is_one_for_them_too(said in said(), before in 1..60_u64) {
        let (cat, mut headers) = (said.reader(), HeaderMap::new());
        headers.insert("cta-common-access-token", "here".parse().unwrap());
        let said = Said { renewal: Some((600, 60)), begins: None, ..said };
        let (token, now) = (said.ours(), said.expires - before);
        let claims = verify(&cat, token.as_bytes(), now).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let renewed = cat.renew(&claims, &RequestFacts::new(PATH, None, &headers), Millis(now * 1000)).unwrap();
        let theirs = Token::from_bytes(&URL_SAFE_NO_PAD.decode(renewed.value.as_bytes()).unwrap()).unwrap();
        prop_assert!(theirs.verify(&said.secret).is_ok());
        prop_assert_eq!(theirs.expiration(), Some(now + 600));
        prop_assert_eq!(theirs.issued_at(), Some(now));
        prop_assert_eq!(theirs.subject(), said.subject.as_deref());
        let again = Said { expires: now + 600, issued: Some(now), ..said };
        again.is_told_by(&verify(&cat, renewed.value.as_bytes(), now).map_err(|error| TestCaseError::fail(error.to_string()))?)?;
    }

    #[test]
    fn a_changed_byte_of_a_token_of_theirs_is_refused(said in said(), at in any::<Index>(), bit in 0_u32..8) {
        // What is not protected may change.
        let said = Said { kid_is_protected: true, ..said };
        let mut token = said.theirs().to_bytes().unwrap();
        let at = at.index(token.len());
        token[at] ^= 1 << bit;
        let token = URL_SAFE_NO_PAD.encode(token);
        prop_assert!(verify(&said.reader(), token.as_bytes(), NOW).is_err());
    }
}
