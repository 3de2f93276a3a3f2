//! Google Media CDN: tokens of the dual-token authentication, and the older signed requests.
//!
//! | form | where | signed |
//! | --- | --- | --- |
//! | token: `PathGlobs=/*~Expires=…~hmac=…` | anywhere | the fields, but see `FullPath` and `Headers` |
//! | signed cookie: `URLPrefix=…:Expires=…:KeyName=…:Signature=…` | cookie | the fields |
//! | path component: `/dir/edge-cache-token=Expires=…&KeyName=…&Signature=…/file` | segment | the URL up to the signature |
//! | signed URL prefix: `?URLPrefix=…&Expires=…&KeyName=…&Signature=…` | query, as `Signature` | the fields |
//! | signed URL: `?Expires=…&KeyName=…&Signature=…` | query, as `Signature` | the URL up to the signature |
//!
//! In a token, `FullPath` and `Headers=Name,Name` are signed with the request's path and the headers' values. The
//! fields become members by name: `URLPrefix` and `IPRanges` decoded, `FullPath` as the path, `SessionID` and `Data`
//! also unescaped (`Data_unescaped`).

mod key;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use serde_json::Map;

use crate::identity::claims::Claims;
use crate::identity::condition::{Condition, Part};
use crate::identity::edge_auth_fields::{self, Fields, Grammar};
use crate::identity::error::TokenError;
use crate::identity::format::{Format, MAX_TOKEN};
use crate::identity::matching::Match;
use crate::identity::percent::percent_decoded;
use crate::identity::request::RequestFacts;
use crate::identity::rotating::Rotating;
use crate::identity::token_location::Source;
use crate::model::Millis;

pub use key::Key;
use key::{BASE64, Signature};

const GRAMMAR: Grammar = Grammar {
    slots: &[
        &["URLPrefix", "PathGlobs", "FullPath"],
        &["Starts"],
        &["Expires"],
        &["SessionID"],
        &["Data"],
        &["Headers"],
        &["IPRanges"],
        &["KeyName"],
        &["_GO"], // in tokens that the CDN itself issues
    ],
    ordered: false, // nor are they, in those
    signatures: &["Signature", "hmac"],
};

/// Maximum headers of one token. Their values are copied before the signature is checked.
const MAX_HEADERS: usize = 16;

/// How tokens are verified.
#[derive(Debug)]
pub struct Settings {
    /// The key set. Its owner may replace the keys.
    pub keys: Arc<Rotating<Key>>,
    /// Accept signed URLs, whose token is `query:Signature`: then `URLPrefix`, `Expires` and `KeyName` are removed with
    /// it.
    pub signed_urls: bool,
    /// Accept a token with `IPRanges` only from those.
    pub check_ip: bool,
    /// Leeway of `Expires` and `Starts`, at most 60 s.
    pub leeway: Duration,
}

/// Verifies tokens and signed requests of Media CDN.
#[derive(Debug)]
pub struct MediaCdn {
    settings: Settings,
}

/// Forms of tokens, distinguished by the separator of the fields.
enum Form {
    Token,
    Cookie,
    PathComponent,
    /// Only the signature: the fields are query parameters.
    SignedUrl,
}

impl Form {
    fn parse(token: &[u8]) -> Self {
        let has = |byte: u8| token.contains(&byte);
        match () {
            () if has(b'~') => Self::Token,
            () if has(b'&') => Self::PathComponent,
            () if has(b':') => Self::Cookie,
            () => Self::SignedUrl,
        }
    }
}

impl MediaCdn {
    /// Creates a verifier.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Checks a token with all its fields; `sent` is its received form.
    fn check(&self, text: &str, sent: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        match Form::parse(text.as_bytes()) {
            Form::Token => self.check_fields("", &GRAMMAR.read(text, '~')?, '~', request, now),
            Form::Cookie => self.check_fields("", &GRAMMAR.read(text, ':')?, ':', request, now),
            Form::PathComponent => {
                let found = request.in_path.filter(|found| found.token.as_bytes() == sent);
                let Some((Source::Segment(name), before)) = found.map(|found| (found.source, found.before)) else {
                    return Err(TokenError::Malformed);
                };
                let front = format!("{}://{}{before}{name}=", request.scheme, request.host);
                let claims = self.check_fields(&front, &GRAMMAR.read(text, '&')?, '&', request, now)?;
                // The signature covers the folder of the token.
                Ok(claims.and_under(Condition::Part(Part::Path, Match::Prefix(before.into()))))
            }
            Form::SignedUrl => Err(TokenError::Malformed),
        }
    }

    /// Checks the parameters of a signed URL. Ignores parameters after the signature, which does not cover them.
    fn check_url(&self, query: &str, request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let only = |name| only_parameter(query, name);
        let signature = only("Signature")?.ok_or(TokenError::Malformed)?;
        let (prefix, expires) = (only("URLPrefix")?, only("Expires")?);
        only("KeyName")?;
        let start = prefix.or(expires).filter(|start| *start < signature).ok_or(TokenError::Malformed)?;
        let (before, text) = query.split_at_checked(start).ok_or(TokenError::Malformed)?;
        let end =
            text.get(signature - start..).and_then(|rest| rest.find('&')).map(|length| signature - start + length);
        let text = text.get(..end.unwrap_or(text.len())).filter(|text| text.len() <= MAX_TOKEN);
        let fields = GRAMMAR.read(text.ok_or(TokenError::TooLong)?, '&')?;
        let front = match prefix {
            Some(_) => String::new(),
            None => format!("{}://{}{}?{before}", request.scheme, request.host, request.path),
        };
        self.check_fields(&front, &fields, '&', request, now)
    }

    /// `front` is signed before the fields.
    fn check_fields(
        &self,
        front: &str,
        fields: &Fields<'_>,
        separator: char,
        request: &RequestFacts<'_>,
        now: Millis,
    ) -> Result<Claims, TokenError> {
        let scoped = fields.list.iter().any(|(name, _)| matches!(*name, "URLPrefix" | "PathGlobs" | "FullPath"));
        if front.is_empty() && !scoped {
            return Err(TokenError::Malformed);
        }
        let signature = Signature::read(fields.signature)?;
        self.check_signature(fields.get("KeyName"), &signed(front, fields, separator, request)?, &signature)?;
        let expires = fields.times("Expires", "Starts")?.check(self.settings.leeway, now)?;
        let (mut members, mut conditions) = (Map::new(), Vec::new());
        for (name, value) in &fields.list {
            let value = match (*name, *value) {
                ("FullPath", None) => request.path.to_owned(),
                (_, None) => return Err(TokenError::Malformed),
                ("SessionID" | "Data", Some(value)) => {
                    edge_auth_fields::insert_free(&mut members, name, value);
                    continue;
                }
                ("PathGlobs", Some(value)) => {
                    let separator = if value.contains('!') { '!' } else { ',' };
                    conditions.push(Condition::Globs(value.split(separator).map(Into::into).collect()));
                    value.to_owned()
                }
                ("URLPrefix", Some(value)) => {
                    let prefix = decoded(value)?;
                    conditions.push(Condition::Url(Match::Prefix(whole_host(&prefix)?.into())));
                    prefix
                }
                ("IPRanges", Some(value)) => {
                    let ranges = decoded(value)?;
                    if self.settings.check_ip {
                        // An invalid range matches nobody; published tokens contain some.
                        let networks = ranges.split(',').filter_map(|range| range.trim().parse::<IpNet>().ok());
                        conditions.push(Condition::Network(networks.collect()));
                    }
                    ranges
                }
                (_, Some(value)) => value.to_owned(),
            };
            members.insert((*name).to_owned(), value.into());
        }
        Ok(Claims::new(members, expires).under(conditions))
    }

    /// The key defines the algorithm. A name selects keys; without one, all are tried.
    fn check_signature(&self, name: Option<&str>, signed: &[u8], signature: &Signature) -> Result<(), TokenError> {
        let keys = self.settings.keys.load();
        let named = || keys.iter().filter(|key| key.answers_to(name));
        let mut fitting = named().filter(|key| key.fits(signature)).peekable();
        if named().next().is_none() && name.is_some() {
            Err(TokenError::UnknownKey)
        } else if fitting.peek().is_none() {
            Err(TokenError::AlgorithmRefused)
        } else if fitting.any(|key| key.verifies(signed, signature)) {
            Ok(())
        } else {
            Err(TokenError::BadSignature)
        }
    }
}

impl Format for MediaCdn {
    /// `Expires` is required and exclusive, plus leeway; `Starts` is checked. In `PathGlobs`, paths separated by `,` or
    /// else `!`, `*` matches any characters (including `/`) and `?` any one.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let is_parameter = |query: &&str| query.split('&').any(|pair| is_value(pair, token));
        match (Form::parse(token), request.raw_query.filter(is_parameter)) {
            (Form::SignedUrl, Some(query)) if self.settings.signed_urls => {
                edge_auth_fields::as_received_or_decoded(query.as_bytes(), |query| self.check_url(query, request, now))
            }
            _ => edge_auth_fields::as_received_or_decoded(token, |text| self.check(text, token, request, now)),
        }
    }

    fn keys_version(&self) -> u64 {
        self.settings.keys.version()
    }

    fn covers_request(&self, token: &[u8]) -> bool {
        let has = |text: &[u8], name: &str| memchr::memmem::find(text, name.as_bytes()).is_some();
        let covers = |text: &[u8]| match Form::parse(text) {
            Form::Token | Form::Cookie => has(text, "FullPath") || has(text, "Headers"),
            Form::PathComponent | Form::SignedUrl => true,
        };
        covers(token) || covers(&percent_decoded(token))
    }

    fn extent(&self, rest: &str, end: char) -> usize {
        GRAMMAR.extent(rest, end)
    }

    fn resembles(&self, segment: &str) -> bool {
        GRAMMAR.read(segment, '~').is_ok() || GRAMMAR.read(segment, '&').is_ok()
    }

    fn companions(&self) -> &'static [&'static str] {
        if self.settings.signed_urls { &["URLPrefix", "Expires", "KeyName"] } else { &[] }
    }
}

/// True if the parameter is `Signature` with that value.
fn is_value(parameter: &str, token: &[u8]) -> bool {
    parameter.strip_prefix("Signature=").is_some_and(|value| value.as_bytes() == token)
}

/// Start of the parameter of that name.
///
/// # Errors
/// `Malformed` if there are two.
fn only_parameter(query: &str, name: &str) -> Result<Option<usize>, TokenError> {
    let mut start = 0;
    let mut found = None;
    for parameter in query.split('&') {
        if parameter.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')) && found.replace(start).is_some() {
            return Err(TokenError::Malformed);
        }
        start += parameter.len() + 1;
    }
    Ok(found)
}

/// The signed text: the fields as received, except the two that refer to the request.
fn signed(
    front: &str,
    fields: &Fields<'_>,
    separator: char,
    request: &RequestFacts<'_>,
) -> Result<Vec<u8>, TokenError> {
    let mut signed = Vec::with_capacity(front.len() + fields.signed.len());
    signed.extend_from_slice(front.as_bytes());
    for (at, field) in fields.signed.split(separator).enumerate() {
        if at > 0 {
            signed.push(u8::try_from(separator).map_err(|_| TokenError::Malformed)?);
        }
        signed.extend_from_slice(field.as_bytes());
        if field == "FullPath" {
            signed.push(b'=');
            signed.extend_from_slice(request.path.as_bytes());
        } else if field.starts_with("FullPath=") {
            return Err(TokenError::Malformed); // it would match every path
        } else if let Some(names) = field.strip_prefix("Headers=") {
            signed.truncate(signed.len() - names.len());
            insert_headers(&mut signed, names, request.headers)?;
        }
    }
    Ok(signed)
}

/// `Name=value,Name=value`, with the names as in the token. The value of an absent header is empty; several values are
/// joined by `,`.
fn insert_headers(signed: &mut Vec<u8>, names: &str, headers: &HeaderMap) -> Result<(), TokenError> {
    for (at, name) in names.split(',').enumerate() {
        let header = HeaderName::try_from(name).ok().filter(|_| at < MAX_HEADERS).ok_or(TokenError::Malformed)?;
        if at > 0 {
            signed.push(b',');
        }
        signed.extend_from_slice(name.as_bytes());
        signed.push(b'=');
        for (at, value) in headers.get_all(&header).iter().enumerate() {
            if at > 0 {
                signed.push(b',');
            }
            signed.extend_from_slice(value.as_bytes());
        }
    }
    Ok(())
}

fn decoded(value: &str) -> Result<String, TokenError> {
    BASE64.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(TokenError::Malformed)
}

/// Adds `/` to a prefix that ends in the host, which would also match longer hosts.
fn whole_host(prefix: &str) -> Result<String, TokenError> {
    let (_, rest) = prefix.split_once("://").ok_or(TokenError::Malformed)?;
    Ok(if rest.contains('/') { prefix.to_owned() } else { format!("{prefix}/") })
}

#[cfg(test)]
mod tests;
