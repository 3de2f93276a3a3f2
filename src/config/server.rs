//! One server of an origin.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    /// A DNS name, an IPv4 address, or an IPv6 address *without* its brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// Not `HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a server: write HOST:PORT, such as `origin.example.com:80`, `192.0.2.7:8080` or `[2001:db8::7]:80`")]
pub struct ParseServerError;

impl FromStr for Server {
    type Err = ParseServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseServerError)?;
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or(ParseServerError)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let address = rest.strip_suffix(']').ok_or(ParseServerError)?;
                address.parse::<Ipv6Addr>().map_err(|_| ParseServerError)?;
                address
            }
            None if is_name(host) => host,
            None => return Err(ParseServerError),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Letters, digits, `-`, `_` and dots (RFC 1123 §2.1, plus the underscore of service names).
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_both_families_are_servers() {
        for (text, host, port) in [
            ("127.0.0.1:8081", "127.0.0.1", 8081),
            ("origin.example.com:80", "origin.example.com", 80),
            ("localhost:1", "localhost", 1),
            ("[::1]:80", "::1", 80),
            ("[2001:db8::7]:65535", "2001:db8::7", 65535),
        ] {
            let server: Server = text.parse().unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port));
            assert_eq!(server.to_string(), text);
        }
    }

    #[test]
    fn what_lacks_a_host_a_port_or_brackets_is_none() {
        for text in
            ["", ":", "a", "a:", ":80", "a:0", "a:65536", "a:+80", "::1:80", "[::1]", "[::1:80", "[a]:80", "a b:80"]
        {
            assert_eq!(text.parse::<Server>(), Err(ParseServerError), "{text:?}");
        }
        for text in ["http://a:80", "a/b:80", "-a:80", "a..b:80"] {
            assert_eq!(text.parse::<Server>(), Err(ParseServerError), "{text:?}");
        }
    }
}
