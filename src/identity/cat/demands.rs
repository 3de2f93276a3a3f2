//! Conditions of a token on requests (CTA-5007).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ciborium::Value;
use http::Method;
use http::header::HeaderName;
use ipnet::IpNet;

use crate::identity::condition::{Condition, Part};
use crate::identity::error::TokenError;
use crate::identity::matching::Match;

use super::{cbor, labels};

/// Tags of addresses and networks (RFC 9164).
const IPV4_TAG: u64 = 52;
const IPV6_TAG: u64 = 54;
/// Maximum regular expressions in a token: each may take 1 MiB while the token is cached.
const MAX_REGEXES: usize = 4;

/// How `catreplay` 1 (single use) is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// One token, one stream: accepted, as all of a stream's many requests have the token.
    #[default]
    PerPlay,
    /// Such tokens are refused.
    Refuse,
}

/// How claims are parsed.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) ignore: Vec<Box<str>>,
    pub(super) country_header: Option<HeaderName>,
    pub(super) replay: Replay,
}

impl Reading {
    /// The conditions in the claims.
    ///
    /// # Errors
    /// `Critical` for an unsupported restriction; `Malformed`.
    pub(super) fn demands(&self, claims: &[(Value, Value)]) -> Result<Vec<Condition>, TokenError> {
        let mut demands = Demands::default();
        for (label, value) in claims {
            // Labels of private claims are texts.
            let Some(label) = cbor::integer(label) else { continue };
            if self.ignore.iter().any(|ignored| **ignored == *labels::name(label)) {
                continue;
            }
            match label {
                labels::REPLAY => self.check_replay(value)?,
                labels::VERSION if cbor::integer(value) == Some(1) => {}
                labels::NETWORK => demands.add(Condition::Network(list(value, network)?)),
                labels::URL => demands.url(value)?,
                labels::METHODS => demands.add(Condition::Method(list(value, method)?)),
                labels::ALPN => demands.add(Condition::Alpn(list(value, protocol)?)),
                labels::HEADERS => demands.headers(value)?,
                labels::COUNTRIES => demands.countries(self.country_header.as_ref(), value)?,
                label if labels::is_critical(label) => return Err(TokenError::Critical),
                _ => {}
            }
        }
        Ok(demands.conditions)
    }

    fn check_replay(&self, value: &Value) -> Result<(), TokenError> {
        match cbor::integer(value) {
            Some(0 | 2) => Ok(()),
            Some(1) if self.replay == Replay::PerPlay => Ok(()),
            _ => Err(TokenError::Critical),
        }
    }
}

#[derive(Default)]
struct Demands {
    conditions: Vec<Condition>,
    regexes: usize,
}

impl Demands {
    fn add(&mut self, condition: Condition) {
        self.conditions.push(condition);
    }

    fn url(&mut self, value: &Value) -> Result<(), TokenError> {
        for (component, wanted) in cbor::pairs(value).ok_or(TokenError::Malformed)? {
            let part = match cbor::integer(component) {
                Some(0) => Part::Scheme,
                Some(1) => Part::Host,
                Some(2) => Part::Port,
                Some(3) => Part::Path,
                Some(4) => Part::Query,
                Some(5) => Part::ParentPath,
                Some(6) => Part::FileName,
                Some(7) => Part::Stem,
                Some(8) => Part::Extension,
                _ => return Err(TokenError::Critical),
            };
            let fold = matches!(part, Part::Scheme | Part::Host);
            for wanted in self.matches(wanted, fold)? {
                self.add(Condition::Part(part, wanted));
            }
        }
        Ok(())
    }

    fn headers(&mut self, value: &Value) -> Result<(), TokenError> {
        for (name, wanted) in cbor::pairs(value).ok_or(TokenError::Malformed)? {
            let name = HeaderName::from_bytes(text(name)?.as_bytes()).map_err(|_| TokenError::Malformed)?;
            for wanted in self.matches(wanted, false)? {
                self.add(Condition::Header(name.clone(), wanted));
            }
        }
        Ok(())
    }

    /// Only an edge's header gives the viewer's country.
    fn countries(&mut self, header: Option<&HeaderName>, value: &Value) -> Result<(), TokenError> {
        let header = header.ok_or(TokenError::Critical)?;
        let codes = list(value, |code| {
            let code = text(code)?;
            let fits = (2..=6).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if fits { Ok(code) } else { Err(TokenError::Malformed) }
        })?;
        if codes.is_empty() {
            return Err(TokenError::Malformed); // it would match an empty header
        }
        let wanted = Match::regex(&format!("(?i)(?:{})", codes.join("|"))).ok_or(TokenError::Malformed)?;
        self.add(Condition::Header(header.clone(), wanted));
        Ok(())
    }

    /// The matches of one part or header, all of which must hold. `fold`: compare in lower case.
    fn matches(&mut self, value: &Value, fold: bool) -> Result<Vec<Match>, TokenError> {
        let cased = |value: &Value| {
            let text = text(value)?;
            Ok(if fold { text.to_ascii_lowercase().into() } else { Box::from(text) })
        };
        let one = |(kind, value): &(Value, Value)| match cbor::integer(kind) {
            Some(0) => cased(value).map(Match::Exact),
            Some(1) => cased(value).map(Match::Prefix),
            Some(2) => cased(value).map(Match::Suffix),
            Some(3) => cased(value).map(Match::Contains),
            Some(4) => self.regex(value),
            Some(-1) => hash(value).map(Match::Sha256),
            Some(-2) => hash(value).map(Match::Sha512T256),
            _ => Err(TokenError::Critical),
        };
        cbor::pairs(value).ok_or(TokenError::Malformed)?.iter().map(one).collect()
    }

    /// A list of the expression, which matches anywhere (as in POSIX and other implementations), and of the required
    /// groups. Some issuers put flags in place of the first group: anything but `null` there is refused.
    fn regex(&mut self, value: &Value) -> Result<Match, TokenError> {
        let items = value.as_array().ok_or(TokenError::Malformed)?;
        let (pattern, groups) = items.split_first().ok_or(TokenError::Malformed)?;
        self.regexes += 1;
        if self.regexes > MAX_REGEXES || !groups.iter().all(Value::is_null) {
            return Err(TokenError::Critical);
        }
        Match::search(text(pattern)?).ok_or(TokenError::Critical)
    }
}

fn text(value: &Value) -> Result<&str, TokenError> {
    value.as_text().ok_or(TokenError::Malformed)
}

fn list<'a, T>(value: &'a Value, item: impl Fn(&'a Value) -> Result<T, TokenError>) -> Result<Vec<T>, TokenError> {
    value.as_array().ok_or(TokenError::Malformed)?.iter().map(item).collect()
}

fn hash(value: &Value) -> Result<[u8; 32], TokenError> {
    value.as_bytes().and_then(|bytes| bytes.as_slice().try_into().ok()).ok_or(TokenError::Malformed)
}

fn method(value: &Value) -> Result<Method, TokenError> {
    Method::from_bytes(text(value)?.as_bytes()).map_err(|_| TokenError::Malformed)
}

/// A protocol name is bytes (RFC 7301 §3.1); some issuers use text.
fn protocol(value: &Value) -> Result<Box<str>, TokenError> {
    let name = match value {
        Value::Bytes(name) => std::str::from_utf8(name).ok(),
        value => value.as_text(),
    };
    name.map(Box::from).ok_or(TokenError::Malformed)
}

/// An address or network (RFC 9164), or its text. Numbers are autonomous systems, which are not supported.
fn network(value: &Value) -> Result<IpNet, TokenError> {
    let known = match value {
        Value::Tag(tag @ (IPV4_TAG | IPV6_TAG), value) => match &**value {
            Value::Bytes(address) => tagged(*tag, address, None),
            Value::Array(parts) => match parts.as_slice() {
                [length, Value::Bytes(head)] => {
                    let length = cbor::integer(length).and_then(|length| u8::try_from(length).ok());
                    length.and_then(|length| tagged(*tag, head, Some(length)))
                }
                _ => None,
            },
            _ => None,
        },
        Value::Text(text) => text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)),
        _ => return Err(TokenError::Critical),
    };
    known.ok_or(TokenError::Malformed)
}

/// The network of that length; trailing zeros of its address may be missing (RFC 9164 §3.1.2). Without a length, one
/// address.
fn tagged(tag: u64, head: &[u8], length: Option<u8>) -> Option<IpNet> {
    let whole = if tag == IPV4_TAG { 4 } else { 16 };
    if head.len() > whole || (length.is_none() && head.len() != whole) {
        return None;
    }
    let mut address = [0_u8; 16];
    address.get_mut(..head.len())?.copy_from_slice(head);
    let address = match address.first_chunk::<4>() {
        Some(short) if tag == IPV4_TAG => IpAddr::from(Ipv4Addr::from(*short)),
        _ => IpAddr::from(Ipv6Addr::from(address)),
    };
    match length {
        Some(length) => IpNet::new(address, length).ok(),
        None => Some(address.into()),
    }
}
