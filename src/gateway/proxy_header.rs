//! The header of the PROXY protocol, versions 1 and 2, which a load balancer sends at the start of a connection
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! Read it only on a listener that is configured for it, and only from a trusted peer: anybody can send one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Maximum bytes of a version 1 header, including the line end (§2.1).
const MAX_V1: usize = 107;
const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses of version 2.
const V2_HEAD: usize = 16;
/// Maximum bytes of addresses and extensions of version 2. The standard requires at least 536 in total (§2.2).
const MAX_V2_BODY: usize = 536;
/// Maximum bytes of a header: with these, the result is never [`Parsed::Incomplete`].
pub(super) const MAX_HEADER: usize = V2_HEAD + MAX_V2_BODY;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The beginning of a header; parse again with more bytes.
    Incomplete,
    /// No header: the first byte is the client's.
    NotProxy,
    /// A header without a client, and its length: the load balancer's own connection (a health check), or a client
    /// without an IP address.
    Local(usize),
    /// The client's address and port, and the header's length. An IPv4 address mapped into IPv6 becomes an IPv4
    /// address.
    From(SocketAddr, usize),
    /// An invalid header. Drop the connection.
    Malformed,
}

/// Parses the first bytes of a connection.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if bytes.starts_with(V1_SIGNATURE) {
        v1(bytes)
    } else if bytes.starts_with(V2_SIGNATURE) {
        v2(bytes).unwrap_or(Parsed::Incomplete)
    } else if V1_SIGNATURE.starts_with(bytes) || V2_SIGNATURE.starts_with(bytes) {
        Parsed::Incomplete
    } else {
        Parsed::NotProxy
    }
}

fn v1(bytes: &[u8]) -> Parsed {
    let head = bytes.get(..MAX_V1).unwrap_or(bytes);
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if head.len() < MAX_V1 { Parsed::Incomplete } else { Parsed::Malformed };
    };
    let consumed = end + 2;
    let line = head.get(V1_SIGNATURE.len()..end).map(String::from_utf8_lossy);
    line.and_then(|line| v1_line(&line, consumed)).unwrap_or(Parsed::Malformed)
}

/// What follows `PROXY `: `TCP4 203.0.113.9 192.0.2.1 56324 443`.
fn v1_line(line: &str, consumed: usize) -> Option<Parsed> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Parsed::Local(consumed)); // the rest must be ignored
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (source_port, destination_port) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    // The destination is unused, but must be valid.
    let whole = address(destination).is_some() && port(destination_port).is_some();
    whole.then_some(from(address(source)?, port(source_port)?, consumed))
}

/// Decimal digits without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

/// `None` if bytes are missing.
fn v2(bytes: &[u8]) -> Option<Parsed> {
    let rest = bytes.get(V2_SIGNATURE.len()..)?;
    let command = *rest.first()?;
    if !matches!(command, 0x20 | 0x21) {
        return Some(Parsed::Malformed); // another version, or neither LOCAL nor PROXY
    }
    let family = *rest.get(1)?;
    let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
    if length > MAX_V2_BODY {
        return Some(Parsed::Malformed);
    }
    let consumed = V2_HEAD + length;
    let body = bytes.get(V2_HEAD..consumed)?;
    if command == 0x20 {
        return Some(Parsed::Local(consumed)); // its family and addresses must be ignored
    }
    // The extensions (TLV) after the addresses do not identify the client.
    Some(match family {
        0x00 => Parsed::Local(consumed),
        0x11 | 0x12 => match body.first_chunk::<12>() {
            Some([a, b, c, d, _, _, _, _, high, low, _, _]) => {
                let port = u16::from_be_bytes([*high, *low]);
                from(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), port, consumed)
            }
            None => Parsed::Malformed,
        },
        0x21 | 0x22 => match (body.first_chunk::<16>(), body.get(32..36)) {
            (Some(source), Some([high, low, _, _])) => {
                from(IpAddr::V6(Ipv6Addr::from(*source)), u16::from_be_bytes([*high, *low]), consumed)
            }
            _ => Parsed::Malformed,
        },
        // A client on a Unix socket.
        0x31 | 0x32 if length >= 216 => Parsed::Local(consumed),
        _ => Parsed::Malformed,
    })
}

fn from(address: IpAddr, port: u16, consumed: usize) -> Parsed {
    Parsed::From(SocketAddr::new(address.to_canonical(), port), consumed)
}

#[cfg(test)]
mod tests;
