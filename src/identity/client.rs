//! The viewer's address behind proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::condition::is_within;

/// Maximum entries of a list that are checked.
const MAX_HOPS: usize = 32;
/// Maximum bytes of an address with brackets and port.
const MAX_ADDRESS: usize = 64;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header in which proxies in front of the gateway write the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For: 203.0.113.9, 10.1.2.3`: each proxy appends the address of its client.
    XForwardedFor,
    /// `Forwarded: for=203.0.113.9, for="[2001:db8::1]:443"` (RFC 7239).
    Forwarded,
    /// A header that a trusted proxy overwrites with one address: `CF-Connecting-IP`.
    Header(HeaderName),
}

/// Trusted proxies, and their header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHops {
    networks: Vec<IpNet>,
    from: Forwarding,
}

impl TrustedHops {
    /// Trusts the proxies in these networks. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn new(networks: Vec<IpNet>, from: Forwarding) -> Self {
        Self { networks, from }
    }

    /// True if this peer is trusted, for headers and the PROXY protocol.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        is_within(Some(peer), &self.networks)
    }

    /// The viewer's address for a request from `peer`; `None` only if the peer is unknown.
    ///
    /// Walks the list from its end while the hops are trusted: the first untrusted address is the viewer's, as that
    /// client can forge everything before it. At an invalid entry (`unknown`, `_hidden`, damaged), or after 32, the
    /// last valid hop counts.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if self.trusts(peer) { self.client_behind(headers).or(Some(peer)) } else { Some(peer) }
    }

    /// The viewer's address for a request from a trusted proxy; `None` if the headers do not contain it.
    pub fn client_behind(&self, headers: &HeaderMap) -> Option<IpAddr> {
        match &self.from {
            Forwarding::XForwardedFor => self.walk(entries(headers, &X_FORWARDED_FOR), address),
            Forwarding::Forwarded => self.walk(entries(headers, &FORWARDED), forwarded_for),
            Forwarding::Header(name) => {
                // The trusted proxy sets one line; with two, it is unclear which is its own.
                let mut lines = headers.get_all(name).iter();
                let one = lines.next().filter(|_| lines.next().is_none());
                one.and_then(|line| text(line.as_bytes())).and_then(address)
            }
        }
    }

    fn walk<'a>(
        &self,
        entries: impl Iterator<Item = Option<&'a str>>,
        read: impl Fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let mut last = None;
        for entry in entries.take(MAX_HOPS) {
            let Some(entry) = entry else { return last };
            if entry.is_empty() {
                continue; // RFC 9110 §5.6.1.2
            }
            match read(entry) {
                Some(address) if self.trusts(address) => last = Some(address),
                Some(address) => return Some(address),
                None => return last,
            }
        }
        last
    }
}

/// The network of a household as a number: a whole IPv4 address, or the /64 of an IPv6 address. Zero if unknown.
pub fn network(client: Option<IpAddr>) -> u128 {
    match client.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(address)) => address.to_bits().into(),
        Some(IpAddr::V6(address)) => address.to_bits() >> 64 << 64,
    }
}

/// The entries of all lines as one list, from its end; `None` for an entry that is not text.
///
/// Splits at every comma, quoted or not, so that a viewer's entries cannot change how those of trusted proxies are
/// parsed. An entry with a comma in quotes becomes invalid.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(text)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.trim_ascii()).ok()
}

/// The address of `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`.
fn address(text: &str) -> Option<IpAddr> {
    if text.len() > MAX_ADDRESS {
        return None;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return fits.then(|| IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

/// A port, or a name that hides one (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        }
        None => text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

/// The address of an element's only `for` (RFC 7239 §4 and §6).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        // An incomplete quoted text, or an escape, which no address needs.
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    address(found?)
}

#[cfg(test)]
mod tests;
