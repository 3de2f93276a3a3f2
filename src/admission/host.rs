//! Validation of a request's host (RFC 9112 §3.2, RFC 3986 §3.2.2).

use std::net::Ipv6Addr;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use crate::model::first_byte;

/// What is wrong with the host of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostError {
    /// No host, or an empty one.
    Missing,
    /// Several hosts, or an invalid one.
    Malformed,
}

/// Checks that a request names one host: a name or an address, with an optional port. HTTP/1.0 requires none.
pub(super) fn check(request: &Parts) -> Result<(), HostError> {
    let field = only_host(&request.headers)?;
    if field.is_some_and(<[u8]>::is_empty) {
        return Err(HostError::Missing);
    }
    let target = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    if field.into_iter().chain(target).any(|host| !is_host_and_port(host)) {
        return Err(HostError::Malformed);
    }
    match (field, target) {
        (Some(field), Some(target)) if !field.eq_ignore_ascii_case(target) => Err(HostError::Malformed),
        (None, None) if request.version != http::Version::HTTP_10 => Err(HostError::Missing),
        _ => Ok(()),
    }
}

fn only_host(headers: &HeaderMap) -> Result<Option<&[u8]>, HostError> {
    let mut fields = headers.get_all(HOST).iter();
    match (fields.next(), fields.next()) {
        (_, Some(_)) => Err(HostError::Malformed),
        (field, None) => Ok(field.map(http::HeaderValue::as_bytes)),
    }
}

/// `uri-host [ ":" port ]`. Refuses lists of names, although RFC 3986 allows commas in a name.
pub(crate) fn is_host_and_port(text: &[u8]) -> bool {
    if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', rest) else { return false };
        let (address, rest) = rest.split_at(end);
        return is_address(address) && rest.strip_prefix(b"]").is_some_and(|rest| rest.is_empty() || is_port(rest));
    }
    let end = memchr::memchr(b':', text).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    !name.is_empty() && is_name(name) && (rest.is_empty() || is_port(rest))
}

/// A colon and a port, which may be empty (RFC 3986 §3.2.3).
fn is_port(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b":").and_then(|digits| std::str::from_utf8(digits).ok()) else {
        return false;
    };
    digits.is_empty() || (digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok())
}

/// An IPv6 address, or one of a later version of IP.
fn is_address(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let later = |text: &str| {
        let (version, address) = text.split_once('.')?;
        let is_plain = |byte: u8| is_plain(byte) || byte == b':';
        let fits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(fits && !address.is_empty() && address.bytes().all(is_plain))
    };
    text.parse::<Ipv6Addr>().is_ok() || text.strip_prefix(['v', 'V']).and_then(later).unwrap_or(false)
}

/// `reg-name`. Refuses percent-encoded delimiters: a server that decodes them would read another host.
fn is_name(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((byte, length)) = first_byte(rest) {
        let is_escaped_letter = length == 3 && !byte.is_ascii();
        if !is_escaped_letter && !is_plain(byte) {
            return false;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

/// Unreserved, or a sub-delimiter other than the comma.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts_with_a_port_or_without() {
        for host in [
            "tv.example",
            "TV.Example.COM",
            "tv.example.",
            "tv.example:8443",
            "tv.example.:80",
            "tv.example:",
            "tv.example:65535",
            "tv_box-1.lan",
            "localhost",
            "192.0.2.7",
            "192.0.2.7:8080",
            "[2001:db8::7]",
            "[2001:DB8::7]:443",
            "[::ffff:192.0.2.7]:80",
            "[::1]:",
            "[v1.fe80::a+en1]",
            "xn--caf-dma.example",
            "caf%C3%A9.example",
            "%74v.example:80",
            "a!$&'()*+;=b",
            "-",
        ] {
            assert!(is_host_and_port(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_one_host_is_none() {
        for host in [
            "",
            ":80",
            ".example/path",
            "tv.example/",
            "tv.example/live/a.m3u8",
            "tv.example?x",
            "tv.example#x",
            "tv.example\\x",
            "http://tv.example",
            "tv.example, other.example",
            "tv.example,other.example",
            "tv.example other.example",
            " tv.example",
            "tv.example ",
            "tv.example\t",
            "tv.example\u{1}",
            "tv.example\u{7f}",
            "viewer@tv.example",
            "viewer:secret@tv.example",
            "@tv.example",
            "tv.example:http",
            "tv.example:80:80",
            "tv.example:-1",
            "tv.example:+80",
            "tv.example:65536",
            "tv.example:99999999999999999999",
            "tv.example: 80",
            "2001:db8::7",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]x",
            "[2001:db8::7]:x",
            "[2001:db8::7]]",
            "[[2001:db8::7]]",
            "[]",
            "[192.0.2.7]",
            "[tv.example]",
            "[fe80::1%25eth0]",
            "[v.1]",
            "[v1.]",
            "[v1]",
            "tv%2Fexample",
            "tv%40example",
            "tv%00",
            "tv%20",
            "tv%2cother",
            "tv%5C",
            "tv%3A80",
            "tv%25",
            "tv%",
            "tv%4",
            "tv%zz",
            "café.example",
            "<tv>",
            "\"tv\"",
            "{tv}",
            "tv|x",
            "tv^x",
            "tv`x",
        ] {
            assert!(!is_host_and_port(host.as_bytes()), "{host}");
        }
        assert!(!is_host_and_port(b"tv\xff"));
    }

    fn checked(version: http::Version, uri: &str, hosts: &[&str]) -> Result<(), HostError> {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check(&request.body(()).unwrap_or_default().into_parts().0)
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        use http::Version;
        for (version, uri, hosts, expected) in [
            (Version::HTTP_11, "/a", &["tv.example"][..], Ok(())),
            (Version::HTTP_11, "/a", &[], Err(HostError::Missing)),
            (Version::HTTP_10, "/a", &[], Ok(())),
            (Version::HTTP_10, "/a", &[""], Err(HostError::Missing)),
            (Version::HTTP_10, "/a", &["a b"], Err(HostError::Malformed)),
            (Version::HTTP_11, "/a", &[""], Err(HostError::Missing)),
            (Version::HTTP_11, "/a", &["tv.example", "tv.example"], Err(HostError::Malformed)),
            (Version::HTTP_11, "/a", &["tv.example", "other.example"], Err(HostError::Malformed)),
            (Version::HTTP_2, "https://tv.example/a", &[], Ok(())),
            (Version::HTTP_2, "https://TV.example/a", &["tv.example"], Ok(())),
            (Version::HTTP_2, "https://tv.example/a", &["other.example"], Err(HostError::Malformed)),
            (Version::HTTP_2, "https://tv.example/a", &["tv.example:443"], Err(HostError::Malformed)),
            (Version::HTTP_2, "https://a,b/a", &[], Err(HostError::Malformed)),
            (Version::HTTP_2, "https://me@tv.example/a", &[], Err(HostError::Malformed)),
            (Version::HTTP_2, "/a", &["tv.example"], Ok(())),
            (Version::HTTP_2, "/a", &[], Err(HostError::Missing)),
        ] {
            assert_eq!(checked(version, uri, hosts), expected, "{version:?} {uri} {hosts:?}");
        }
    }
}
