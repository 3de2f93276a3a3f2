use proptest::prelude::*;

use super::*;

/// A version 2 header with this command, family and body.
fn v2_header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
}

fn body(source: IpAddr, port: u16, extensions: &[u8]) -> Vec<u8> {
    let ports = [port.to_be_bytes(), [1, 187]].concat();
    match source {
        IpAddr::V4(source) => [&source.octets()[..], &[192, 0, 2, 1], &ports, extensions].concat(),
        IpAddr::V6(source) => [&source.octets()[..], &[9; 16], &ports, extensions].concat(),
    }
}

fn v1_header(source: IpAddr, port: u16) -> Vec<u8> {
    let (family, destination) = if source.is_ipv4() { ("TCP4", "192.0.2.1") } else { ("TCP6", "2001:db8::443") };
    format!("PROXY {family} {source} {destination} {port} 443\r\n").into_bytes()
}

fn from(text: &str, consumed: usize) -> Parsed {
    Parsed::From(text.parse().unwrap_or_else(|_| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)), consumed)
}

#[test]
fn version_1_names_the_client_and_what_follows_is_not_part_of_it() {
    for (line, expected) in [
        ("PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n", from("203.0.113.9:56324", 44)),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 0\r\n", from("[2001:db8::1]:1", 40)),
        ("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", from("203.0.113.9:1", 39)),
        ("PROXY UNKNOWN\r\n", Parsed::Local(15)),
        ("PROXY UNKNOWN what ever\r\n", Parsed::Local(25)),
    ] {
        assert_eq!(parse(line.as_bytes()), expected, "{line}");
        assert_eq!(parse(format!("{line}GET / HTTP/1.1\r\n\r\n").as_bytes()), expected, "{line}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN \xff\r\n"), Parsed::Local(17));
}

#[test]
fn a_line_that_is_not_to_the_letter_is_malformed() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4  203.0.113.9 192.0.2.1 1 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 1 2 3\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 1 2 \r\n",
        "PROXY TCP4 203.0.113.09 192.0.2.1 1 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.256 1 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 65536 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 +1 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 01 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 1 x\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 203.0.113.9 192.0.2.1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n",
        "PROXY tcp4 203.0.113.9 192.0.2.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UDP4 203.0.113.9 192.0.2.1 1 2\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 1 2\n\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Parsed::Malformed, "{line}");
    }
}

#[test]
fn version_1_ends_within_107_bytes() {
    let line = |filler: usize| format!("PROXY UNKNOWN {}\r\n", "f".repeat(filler));
    assert_eq!(parse(line(91).as_bytes()), Parsed::Local(107));
    assert_eq!(parse(line(92).as_bytes()), Parsed::Malformed);
    assert_eq!(parse(&line(92).as_bytes()[..106]), Parsed::Incomplete);
    assert_eq!(parse(&line(92).as_bytes()[..107]), Parsed::Malformed);
}

#[test]
fn version_2_names_the_client_and_its_extensions_are_skipped() {
    let source = SocketAddr::from(([203, 0, 113, 9], 56324));
    for family in [0x11, 0x12] {
        let header = v2_header(0x21, family, &body(source.ip(), source.port(), &[]));
        assert_eq!(parse(&header), Parsed::From(source, 28));
        let header = v2_header(0x21, family, &body(source.ip(), source.port(), &[4, 0, 2, 0, 0, 0xff]));
        assert_eq!(parse(&[&header[..], b"GET /"].concat()), Parsed::From(source, 34));
    }
    let source: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into();
    assert_eq!(parse(&v2_header(0x21, 0x21, &body(source, 443, &[]))), from("[2001:db8::1]:443", 52));
    let mapped = IpAddr::V6(Ipv4Addr::new(203, 0, 113, 9).to_ipv6_mapped());
    assert_eq!(parse(&v2_header(0x21, 0x21, &body(mapped, 443, &[]))), from("203.0.113.9:443", 52));
}

#[test]
fn a_health_check_and_a_client_without_an_address_are_local() {
    assert_eq!(parse(&v2_header(0x20, 0x00, &[])), Parsed::Local(16));
    // The family of a LOCAL header is ignored.
    assert_eq!(parse(&v2_header(0x20, 0xff, &[1, 2, 3])), Parsed::Local(19));
    assert_eq!(parse(&v2_header(0x21, 0x00, &[1, 2, 3])), Parsed::Local(19));
    assert_eq!(parse(&v2_header(0x21, 0x31, &[0; 216])), Parsed::Local(232));
}

#[test]
fn version_2_with_what_the_standard_does_not_know_is_malformed() {
    let good = body([203, 0, 113, 9].into(), 1, &[]);
    for (command, family, body) in [
        (0x11, 0x11, &good[..]),
        (0x31, 0x11, &good),
        (0x22, 0x11, &good),
        (0x21, 0x13, &good),
        (0x21, 0x10, &good),
        (0x21, 0x41, &good),
        (0x21, 0x11, &good[..11]),
        (0x21, 0x21, &[0; 35]),
        (0x21, 0x31, &[0; 215]),
    ] {
        assert_eq!(parse(&v2_header(command, family, body)), Parsed::Malformed, "{command:x} {family:x}");
    }
}

#[test]
fn version_2_is_as_long_as_the_standard_asks_for_and_no_longer() {
    assert_eq!(parse(&v2_header(0x20, 0, &[0; MAX_V2_BODY])), Parsed::Local(MAX_HEADER));
    // Refused as soon as the length is known.
    assert_eq!(parse(&v2_header(0x20, 0, &[0; MAX_V2_BODY + 1])[..V2_HEAD]), Parsed::Malformed);
}

#[test]
fn what_does_not_begin_as_a_header_is_the_clients_own() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"PRI * HTTP/2.0", b"PROXYX", b"proxy ", b"\r\n\r\nX", b"\r\nGET"]
    {
        assert_eq!(parse(bytes), Parsed::NotProxy, "{bytes:?}");
    }
}

fn good() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)];
    let extensions = proptest::collection::vec(any::<u8>(), 0..64);
    (address, any::<u16>(), extensions, 0..4).prop_map(|(address, port, extensions, kind)| match kind {
        0 => v1_header(address, port),
        1 => b"PROXY UNKNOWN\r\n".to_vec(),
        2 => v2_header(0x20, 0, &extensions),
        _ => v2_header(0x21, if address.is_ipv4() { 0x11 } else { 0x21 }, &body(address, port, &extensions)),
    })
}

proptest! {
    #[test]
    fn every_prefix_of_a_good_header_is_incomplete_and_all_of_it_is_consumed(header in good(), more in any::<Vec<u8>>()) {
        for end in 0..header.len() {
            prop_assert_eq!(parse(&header[..end]), Parsed::Incomplete, "{} bytes", end);
        }
        let consumed = match parse(&[&header[..], &more].concat()) {
            Parsed::Local(consumed) | Parsed::From(_, consumed) => consumed,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(consumed, header.len());
    }

    #[test]
    fn the_address_that_was_written_is_read(address in any::<IpAddr>(), port in any::<u16>()) {
        let expected = SocketAddr::new(address.to_canonical(), port);
        let header = v1_header(address, port);
        prop_assert_eq!(parse(&header), Parsed::From(expected, header.len()));
        let header = v2_header(0x21, if address.is_ipv4() { 0x11 } else { 0x21 }, &body(address, port, &[]));
        prop_assert_eq!(parse(&header), Parsed::From(expected, header.len()));
    }

    #[test]
    fn any_bytes_never_panic_and_never_consume_what_is_not_there(
        head in 0..4_u8,
        tail in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        let head: &[u8] = match head {
            0 => V1_SIGNATURE,
            1 => V2_SIGNATURE,
            2 => b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c",
            _ => b"",
        };
        let bytes = [head, &tail].concat();
        match parse(&bytes) {
            Parsed::Local(consumed) | Parsed::From(_, consumed) => {
                prop_assert!(consumed <= bytes.len().min(MAX_HEADER));
            }
            Parsed::Incomplete => prop_assert!(bytes.len() < MAX_HEADER),
            Parsed::NotProxy | Parsed::Malformed => {}
        }
    }
}
