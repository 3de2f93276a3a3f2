#![allow(clippy::unwrap_used)]

use std::str::FromStr;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn hops(from: Forwarding) -> TrustedHops {
    let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap());
    TrustedHops::new(networks.into(), from)
}

fn seen(from: Forwarding, peer: &str, lines: &[(&str, &[u8])]) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    hops(from).client(Some(ip(peer)), &headers).unwrap().to_string()
}

fn listed(list: &str) -> String {
    seen(Forwarding::XForwardedFor, PROXY, &[("x-forwarded-for", list.as_bytes())])
}

fn forwarded(list: &str) -> String {
    seen(Forwarding::Forwarded, PROXY, &[("forwarded", list.as_bytes())])
}

fn single(lines: &[&str]) -> String {
    let name = HeaderName::from_static("cf-connecting-ip");
    let lines: Vec<_> = lines.iter().map(|line| ("cf-connecting-ip", line.as_bytes())).collect();
    seen(Forwarding::Header(name), PROXY, &lines)
}

#[test]
fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
    let lines: &[(&str, &[u8])] =
        &[("x-forwarded-for", b"1.1.1.1"), ("forwarded", b"for=1.1.1.1"), ("cf-connecting-ip", b"1.1.1.1")];
    let header = Forwarding::Header(HeaderName::from_static("cf-connecting-ip"));
    for from in [Forwarding::XForwardedFor, Forwarding::Forwarded, header] {
        assert_eq!(seen(from.clone(), "203.0.113.9", lines), "203.0.113.9");
        assert_eq!(seen(from.clone(), PROXY, lines), "1.1.1.1");
        assert_eq!(hops(from).client(None, &HeaderMap::new()), None);
    }
    let nobody = TrustedHops::new(vec![], Forwarding::XForwardedFor);
    assert_eq!(nobody.client(Some(ip(PROXY)), &HeaderMap::new()), Some(ip(PROXY)));
}

#[test]
fn the_first_address_from_the_end_that_is_not_trusted_is_the_client() {
    for (list, client) in [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9,10.1.2.3 , 10.1.2.4", "203.0.113.9"),
        // What a viewer writes in front, a trusted address or not, changes nothing.
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("unknown, \", 203.0.113.9", "203.0.113.9"),
        // All of them trusted: the viewer is inside.
        ("10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("", PROXY),
        (" , ,203.0.113.9, ", "203.0.113.9"),
    ] {
        assert_eq!(listed(list), client, "{list}");
    }
    assert_eq!(seen(Forwarding::XForwardedFor, PROXY, &[]), PROXY);
}

#[test]
fn several_lines_are_one_list() {
    let lines: &[(&str, &[u8])] = &[
        ("x-forwarded-for", b"6.6.6.6"),
        ("x-forwarded-for", b"203.0.113.9, 10.1.1.1"),
        ("x-forwarded-for", b"10.1.1.2"),
    ];
    assert_eq!(seen(Forwarding::XForwardedFor, PROXY, lines), "203.0.113.9");
    let lines: &[(&str, &[u8])] = &[("forwarded", b"for=6.6.6.6"), ("forwarded", b"for=203.0.113.9")];
    assert_eq!(seen(Forwarding::Forwarded, PROXY, lines), "203.0.113.9");
}

#[test]
fn what_is_no_address_stops_the_walk_at_the_last_good_hop() {
    for bad in [
        "unknown",
        "_hidden",
        "203.0.113",
        "203.0.113.9:",
        "203.0.113.9:x",
        "203.0.113.9:65536",
        "203.0.113.9:_",
        "[::1",
        "[::1]x",
        "[1.1.1.1]",
        "2001:db8::1%eth0",
        "01.1.1.1",
        "host.example",
        "\"203.0.113.9\"",
        "1.1.1.1 2.2.2.2",
    ] {
        assert_eq!(listed(&format!("203.0.113.9, {bad}, 10.1.2.3")), "10.1.2.3", "{bad}");
        assert_eq!(listed(bad), PROXY, "{bad}");
    }
    let lines: &[(&str, &[u8])] = &[("x-forwarded-for", b"203.0.113.9, \xff, 10.1.2.3")];
    assert_eq!(seen(Forwarding::XForwardedFor, PROXY, lines), "10.1.2.3");
    assert_eq!(listed(&format!("[{}::1]", "0".repeat(80))), PROXY);
}

#[test]
fn ports_and_brackets_are_taken_off_and_a_mapped_address_is_ipv4() {
    for (entry, client) in [
        ("203.0.113.9:567", "203.0.113.9"),
        ("203.0.113.9:_port", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
    ] {
        assert_eq!(listed(entry), client, "{entry}");
        assert_eq!(forwarded(&format!("for=\"{entry}\"")), client, "{entry}");
    }
    assert_eq!(seen(Forwarding::XForwardedFor, "::ffff:10.0.0.1", &[("x-forwarded-for", b"1.1.1.1")]), "1.1.1.1");
    assert_eq!(listed("203.0.113.9, ::ffff:10.1.1.1"), "203.0.113.9");
    assert_eq!(listed("203.0.113.9, 2001:db8:ffff::1"), "203.0.113.9");
}

#[test]
fn the_for_of_a_forwarded_element_counts_and_nothing_else_of_it() {
    for (list, client) in [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=\"[2001:db8::1]:443\";proto=https;by=10.0.0.9", "2001:db8::1"),
        ("proto=https ; FOR=203.0.113.9", "203.0.113.9"),
        ("for=6.6.6.6, for=203.0.113.9;host=a.example, for=10.1.1.1", "203.0.113.9"),
        ("by=203.0.113.9", PROXY),
        ("for=203.0.113.9, for=unknown, for=10.1.1.1", "10.1.1.1"),
        ("for=\"_gazonk\"", PROXY),
        ("for=203.0.113.9;for=6.6.6.6", PROXY),
        ("for", PROXY),
        ("for=\"203.0.113.9", PROXY),
        ("for=203.0.113.9\"", PROXY),
        ("for=\"203.0.113\\.9\"", PROXY),
        // A quoted text of another parameter hides no `for`.
        ("by=\"a;for=6.6.6.6;b\"", PROXY),
        // Nor does a quotation mark that the viewer opened swallow what a trusted machine appended.
        ("for=\"x, for=203.0.113.9;by=\"z\"", "203.0.113.9"),
    ] {
        assert_eq!(forwarded(list), client, "{list}");
    }
}

#[test]
fn a_header_of_one_address_is_believed_when_there_is_one() {
    assert_eq!(single(&["203.0.113.9"]), "203.0.113.9");
    assert_eq!(single(&[" [2001:db8::1]:443 "]), "2001:db8::1");
    assert_eq!(single(&["10.5.5.5"]), "10.5.5.5");
    for lines in [&["203.0.113.9", "6.6.6.6"][..], &["203.0.113.9, 6.6.6.6"], &["unknown"], &[""], &[]] {
        assert_eq!(single(lines), PROXY, "{lines:?}");
    }
}

#[test]
fn at_most_32_entries_are_looked_at() {
    let list = |trusted: usize| {
        let hops: Vec<String> = (1..=trusted).map(|hop| format!("10.1.1.{hop}")).collect();
        listed(&format!("203.0.113.9, {}", hops.join(",")))
    };
    assert_eq!(list(31), "203.0.113.9");
    assert_eq!(list(32), "10.1.1.1");
    assert_eq!(listed(&format!("203.0.113.9{}", ",".repeat(32))), PROXY);
}

#[test]
fn a_network_is_an_ipv4_address_or_the_64_bits_that_a_household_has() {
    let fold = |text: &str| network(Some(ip(text)));
    assert_eq!(fold("2001:db8:1:2::1"), fold("2001:db8:1:2:ffff::9"));
    assert_ne!(fold("2001:db8:1:2::1"), fold("2001:db8:1:3::1"));
    assert_ne!(fold("203.0.113.9"), fold("203.0.113.8"));
    assert_eq!(fold("::ffff:203.0.113.9"), fold("203.0.113.9"));
    assert_eq!(network(None), 0);
}

proptest! {
    #[test]
    fn what_a_viewer_writes_in_front_never_changes_the_answer(front in "[ -~]{0,60}", forged in any::<[u8; 4]>()) {
        let forged = Ipv4Addr::from(forged);
        for front in [front, forged.to_string()] {
            prop_assert_eq!(listed(&format!("{front}, 203.0.113.9, 10.1.1.1")), "203.0.113.9");
            let list = format!("for={front}, for=203.0.113.9;proto=https, for=\"10.1.1.1:80\"");
            prop_assert_eq!(forwarded(&list), "203.0.113.9");
        }
    }

    #[test]
    fn any_bytes_give_an_address_and_never_panic(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(line) = HeaderValue::from_bytes(&line) {
            let mut headers = HeaderMap::new();
            for name in [X_FORWARDED_FOR, FORWARDED] {
                headers.insert(name, line.clone());
            }
            for from in [Forwarding::XForwardedFor, Forwarding::Forwarded, Forwarding::Header(FORWARDED)] {
                prop_assert!(hops(from).client(Some(ip(PROXY)), &headers).is_some());
            }
        }
    }

    #[test]
    fn every_address_is_read_as_it_is_written(bits in any::<u128>(), port in any::<u16>()) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
        let expected = Some(address.to_canonical());
        prop_assert_eq!(super::address(&address.to_string()), expected);
        prop_assert_eq!(super::address(&format!("[{address}]:{port}")), expected);
        prop_assert_eq!(forwarded_for(&format!("proto=http;for=\"[{address}]:{port}\"")), expected);
    }
}
