//! The viewer's address, where other machines stand between it and the gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::condition::is_within;

/// How many entries of a list are looked at.
const MAX_HOPS: usize = 32;
/// Bytes of the longest address with brackets and port, with some to spare.
const MAX_ADDRESS: usize = 64;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where the machines in front of the gateway write down who asked them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For: 203.0.113.9, 10.1.2.3`: each machine appends the address that asked it.
    XForwardedFor,
    /// `Forwarded: for=203.0.113.9, for="[2001:db8::1]:443"` (RFC 7239), the same with more to say.
    Forwarded,
    /// A header that a trusted machine sets to one address, whatever the viewer sent: `CF-Connecting-IP`.
    Header(HeaderName),
}

/// The machines whose word counts, and where they put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHops {
    networks: Vec<IpNet>,
    from: Forwarding,
}

impl TrustedHops {
    /// The machines in these networks, and where they write. An IPv4 address mapped into IPv6 is an IPv4 address.
    pub fn new(networks: Vec<IpNet>, from: Forwarding) -> Self {
        Self { networks, from }
    }

    /// Whether this machine's word counts, in a header or in front of the connection (PROXY protocol).
    pub fn trusts(&self, peer: IpAddr) -> bool {
        is_within(Some(peer), &self.networks)
    }

    /// The viewer's address, of a request that came from `peer`; `None` only where the peer is not known.
    ///
    /// Only a trusted peer is asked who asked it, and so on from the end of the list on: the first address that is not
    /// trusted is the viewer's, for what stands before it is hearsay. Where an entry is not an address (`unknown`, `_hidden`,
    /// damaged), or after 32 of them, the last good hop is the answer.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if self.trusts(peer) { self.client_behind(headers).or(Some(peer)) } else { Some(peer) }
    }

    /// The viewer's address, of a request that a trusted machine tells of; `None` where it does not say it.
    pub fn client_behind(&self, headers: &HeaderMap) -> Option<IpAddr> {
        match &self.from {
            Forwarding::XForwardedFor => self.walk(entries(headers, &X_FORWARDED_FOR), address),
            Forwarding::Forwarded => self.walk(entries(headers, &FORWARDED), forwarded_for),
            Forwarding::Header(name) => {
                // A second line is not of the machine that sets the header, and which one is cannot be told.
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

/// An address as one number, by the network that one household has to itself: IPv4 whole, IPv6 by its /64. Zero where it is
/// not known.
pub fn network(client: Option<IpAddr>) -> u128 {
    match client.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(address)) => address.to_bits().into(),
        Some(IpAddr::V6(address)) => address.to_bits() >> 64 << 64,
    }
}

/// The entries of every line as one list, from its end on; `None` for what is no text.
///
/// Split at every comma, quoted or not: from the end on, what a viewer wrote in front cannot change how the entry of a
/// trusted machine is read. An entry with a comma inside quotes falls apart and is damaged.
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
        // Half a quoted text, or one with an escape, which no address needs.
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
