//! Evidence to distinguish clients of an account without device ids.

use serde::{Deserialize, Serialize};

/// Two tokens with at most this difference of `iat` were issued together: a page may request one for itself and one for
/// its player.
const SAME_ISSUANCE_SECS: u32 = 10;

/// Hashes of client properties in a request. Zero is unknown and equals nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientEvidence {
    /// The client's network: an IPv4 address, or the /64 of an IPv6 address.
    #[serde(default)]
    pub network: u32,
    /// The `User-Agent`.
    #[serde(default)]
    pub agent: u32,
    /// The token, byte for byte.
    #[serde(default)]
    pub token: u32,
    /// When the token was issued (`iat`), in seconds since the epoch.
    #[serde(default)]
    pub issued: u32,
}

impl ClientEvidence {
    /// True if both have the same token.
    pub fn has_same_token(&self, other: &Self) -> bool {
        is_same(self.token, other.token)
    }

    /// True if both have the same network, and the same user agent or tokens that were issued together.
    pub fn is_same_client(&self, other: &Self) -> bool {
        is_same(self.network, other.network)
            && (is_same(self.agent, other.agent)
                || self.issued != 0 && other.issued != 0 && self.issued.abs_diff(other.issued) <= SAME_ISSUANCE_SECS)
    }
}

fn is_same(one: u32, other: u32) -> bool {
    one != 0 && one == other
}

#[cfg(test)]
mod tests {
    use super::ClientEvidence;

    const PHONE: ClientEvidence = ClientEvidence { network: 1, agent: 2, token: 3, issued: 1000 };

    #[test]
    fn what_is_unknown_equals_nothing() {
        let unknown = ClientEvidence::default();
        assert!(!unknown.has_same_token(&unknown) && !unknown.is_same_client(&unknown));
        assert!(!PHONE.is_same_client(&ClientEvidence { network: 0, ..PHONE }));
    }

    #[test]
    fn one_client_has_one_network_and_one_agent_or_tokens_that_were_issued_together() {
        let cases = [
            (ClientEvidence { token: 9, issued: 9000, ..PHONE }, true, "another token, same agent"),
            (ClientEvidence { agent: 9, token: 9, issued: 1010, ..PHONE }, true, "another agent, issued together"),
            (ClientEvidence { agent: 9, token: 9, issued: 1011, ..PHONE }, false, "another agent, issued later"),
            (ClientEvidence { agent: 9, issued: 0, ..PHONE }, false, "another agent, no time of issue"),
            (ClientEvidence { network: 9, ..PHONE }, false, "another network"),
        ];
        for (other, same, case) in cases {
            assert_eq!(PHONE.is_same_client(&other), same, "{case}");
            assert_eq!(other.is_same_client(&PHONE), same, "{case}, turned round");
        }
        assert!(PHONE.has_same_token(&ClientEvidence { network: 9, agent: 9, ..PHONE }));
    }
}
