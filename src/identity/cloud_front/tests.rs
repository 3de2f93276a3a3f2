#![allow(clippy::unwrap_used)]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const EXP: u64 = 1_790_000_100;
const NOW: Millis = Millis((EXP - 60) * 1000);

// Signatures by botocore 1.44.5 with keys that were made for this test and thrown away.
const RSA: &str = "-----BEGIN PUBLIC KEY-----\n\
     MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArbKP5+1whrBCef08l1e/\n\
     ZZPTq6X5X7HW4bl6qbpdiWf50/vo2fx9kNU3RA7Pb8sI31P3+8cFXX1VahK9ztD9\n\
     seqiq5j2ppJkX6sWQ251MZcvwj6+fERPOshhqqdU5bnycHuh0WnzfDsvguhK4m7j\n\
     qJqGVCzxA3nYUZklv0getXlYeU9PCIiOa2bqGw2ZwHdx4VWlThJG7DgdPddG4xdR\n\
     kIkxD+FKGBdaA5ZEimHsYnpd/ZATNi+WfTt7mt2f21/MXZLQEj2wHWnISfr0uTru\n\
     U7vDbK36J1aFyDN1poOKocC4YLHMOALN/a/6tdZfumztZK0L7ozizTfuEqwAKAMp\n\
     2QIDAQAB\n\
     -----END PUBLIC KEY-----\n";
const EC: &str = "-----BEGIN PUBLIC KEY-----\n\
     MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErWpJSYQoLJuvKuYdRemOc0dagWDL\n\
     7cfUuHrxp4yczdiHHdV5oMz3CPCPECZc5W+ZL7WjBUWNy6AxIO//0NFuCg==\n\
     -----END PUBLIC KEY-----\n";
const RSA_SHA1: &str = "QdVMzrPsqRS3s14deOoIDG~i5RR1L-WLRdEULZ0TKPFHyIyJk-QrmRtqm8jJfnqseOuyhV~qkMTdRI3sW53A8l3LjrScHCXsRNop\
     sh4Lr13vLKRsaBGlPHcYMDojUV99MJWmpK06ugz~pt7DHgR8dCLo3ymhmnbkQZYZxP6j1nr8Rt~Veb7lTpN86P8qufFusgVbzOlq\
     GpjOj8q6axuLDKANksonPSeMXcmQxZEqk~DsWaXYeh6fTlFTOkdU4TuTWRaf0~O4GVfjFiZQ6NEdJzbOvn0yhTNbbIPS0gswjVXj\
     0YSCeTO211~L8MuHr8kNXbEsIdvoRsdhCrK-JGw9vA__";
const RSA_SHA256: &str = "oCZc~Xcf4pc4VAISs7mozof~WWAzxRo73IVypogNRcm9pWTF1CLlBDejuC23-DkAotQyQnpDUUSb7EUEGTtaSOAjACcf-P3oY8Zy\
     lEUpFrWGaTgZz8Gir-RQqOurn-3xE5MEQSDyouZQo~JNOhJFrLWB6THikfaYqkTq~~2bB-W4EVpCHJ~UpT9DX2dHCISQV-P8mpH9\
     Mxlbqw5MEdtv3nFiYRPeEICt~KahFA~vLc9kG~qnXK2GS0rY9BqIVjj25bX9fBzpO6770UOSMPe0cFO6sLqE5Hc47077yPpG7fQ1\
     wMuQ5-rts9Nr3dalRcix8i0r6rlgEC7MU47iGy8Ikw__";
const EC_SHA1: &str =
    "MEUCIA0LdVswY~sRHzLyOfhiao2LVvBLH1Zwxyh1zgIA4QJ~AiEAvYVA-mQhB5fpuCL8VS0sw32WCtYjtmfpMST4z8VZtcc_";
const EC_SHA256: &str =
    "MEYCIQDP08LOUDlplOsj51HMUNebqktyIjjCyaB50DsvH3km2wIhAL88mioom9xHIzv83X9-ytWqBA4beGcQUVH4RbHRIAFe";
/// For `http*://cdn.example/live/*` from 192.0.2.0/24, from 100 s before the end on.
const POLICY: &str = "eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiaHR0cCo6Ly9jZG4uZXhhbXBsZS9saXZlLyoiLCJDb25kaXRpb24iOnsiRGF0ZUxl\
     c3NUaGFuIjp7IkFXUzpFcG9jaFRpbWUiOjE3OTAwMDAxMDB9LCJJcEFkZHJlc3MiOnsiQVdTOlNvdXJjZUlwIjoiMTkyLjAuMi4w\
     LzI0In0sIkRhdGVHcmVhdGVyVGhhbiI6eyJBV1M6RXBvY2hUaW1lIjoxNzkwMDAwMDAwfX19XX0_";
const POLICY_SIGNATURE: &str =
    "MEUCIQC207ti0qBQL6EDE~lLR4p84rhMrcyrDA1VjR28IECghQIgD1M3sw~YByebXwZfluvOcEFCJdnGgK1Jx5Q~L6DmH74_";

fn format(check_ip: bool, leeway: u64) -> CloudFront {
    let keys = [(Algorithm::RS256, "K2RSA", RSA), (Algorithm::ES256, "K2EC", EC)];
    let keys = keys.map(|(algorithm, id, pem)| Key::public_pem(algorithm, Some(id), pem.as_bytes()).unwrap());
    CloudFront::new(Settings {
        keys: Arc::new(Keys::new(keys)),
        in_query: true,
        in_cookies: true,
        check_ip,
        leeway: Duration::from_secs(leeway),
    })
}

/// What `format` says of a request with this query, whose `Signature` is the token, from 192.0.2.7.
fn ask(format: &CloudFront, path: &str, query: &str, now: Millis) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    let token = parameters(query, "Signature").next().unwrap_or_default();
    let request = RequestFacts {
        host: "cdn.example",
        client: Some([192, 0, 2, 7].into()),
        ..RequestFacts::new(path, Some(query), &headers)
    };
    let bare =
        query.split('&').filter(|part| !COMPANIONS.iter().any(|name| part.starts_with(name))).collect::<Vec<_>>();
    let bare = bare.join("&");
    format.accept(token.as_bytes(), &RequestFacts { query: Some(&bare), ..request }, now)
}

fn canned_query(signature: &str, key: &str) -> String {
    format!("lang=en&Expires={EXP}&Signature={signature}&Key-Pair-Id={key}")
}

fn answer(query: &str) -> Result<(), TokenError> {
    ask(&format(true, 0), "/live/a.m3u8", query, NOW).map(drop)
}

#[test]
fn canned_policies_are_verified_with_both_kinds_of_key_and_both_hashes() {
    for (signature, key, hash) in [
        (RSA_SHA1, "K2RSA", ""),
        (RSA_SHA1, "K2RSA", "&Hash-Algorithm=SHA1"),
        (RSA_SHA256, "K2RSA", "&Hash-Algorithm=SHA256"),
        (EC_SHA1, "K2EC", ""),
        (EC_SHA256, "K2EC", "&Hash-Algorithm=SHA256"),
    ] {
        let query = canned_query(signature, key) + hash;
        let claims = ask(&format(true, 0), "/live/a.m3u8", &query, NOW).unwrap();
        assert_eq!(claims.text("Key-Pair-Id").as_deref(), Some(key));
        assert_eq!(claims.text("Resource").as_deref(), Some("https://cdn.example/live/a.m3u8?lang=en"));
        assert_eq!(claims.text("Expires").as_deref(), Some("1790000100"));
        assert_eq!(claims.expires(), Millis(EXP * 1000));
    }
}

#[test]
fn the_key_and_the_named_hash_decide_how_a_signature_is_read() {
    for (signature, key, hash, error) in [
        (RSA_SHA1, "K2RSA", "&Hash-Algorithm=SHA256", TokenError::BadSignature),
        (RSA_SHA256, "K2RSA", "", TokenError::BadSignature),
        (EC_SHA256, "K2EC", "", TokenError::BadSignature),
        (RSA_SHA1, "K2EC", "", TokenError::BadSignature),
        (EC_SHA1, "K2RSA", "", TokenError::BadSignature),
        (RSA_SHA1, "K2XYZ", "", TokenError::UnknownKey),
        (RSA_SHA1, "K2RSA", "&Hash-Algorithm=MD5", TokenError::AlgorithmRefused),
        (RSA_SHA1, "K2RSA", "&Hash-Algorithm=none", TokenError::AlgorithmRefused),
    ] {
        assert_eq!(answer(&(canned_query(signature, key) + hash)), Err(error), "{key} {hash}");
    }
}

#[test]
fn a_canned_policy_is_for_one_url_and_all_of_its_query() {
    let query = canned_query(EC_SHA1, "K2EC");
    assert_eq!(ask(&format(true, 0), "/live/b.m3u8", &query, NOW).map(drop), Err(TokenError::BadSignature));
    assert_eq!(answer(&query.replace("lang=en", "lang=fr")), Err(TokenError::BadSignature));
    assert_eq!(answer(&query.replace("lang=en", "lang=%65n")), Err(TokenError::BadSignature));
    assert_eq!(answer(&format!("{query}&more=1")), Err(TokenError::BadSignature));
    assert_eq!(answer(&query.replace("Expires=1790000100", "Expires=1790000101")), Err(TokenError::BadSignature));
    assert_eq!(answer(&query.replace("Expires=1790000100", "Expires=+1790000100")), Err(TokenError::Malformed));
}

#[test]
fn the_order_of_the_parameters_and_their_percent_encoding_do_not_matter() {
    let query = format!(
        "Key-Pair-Id=K2%45C&Signature={}&lang=en&Expires={EXP}",
        EC_SHA1.replace('_', "%5F").replace('-', "%2d")
    );
    assert_eq!(answer(&query), Ok(()));
}

#[test]
fn a_signed_url_ends_at_its_time_and_at_the_end_of_the_leeway() {
    let query = canned_query(EC_SHA1, "K2EC");
    let at = |leeway, seconds| ask(&format(true, leeway), "/live/a.m3u8", &query, Millis(seconds * 1000)).map(drop);
    assert_eq!(at(0, EXP - 1), Ok(()));
    assert_eq!(at(0, EXP), Err(TokenError::Expired));
    assert_eq!(at(10, EXP + 9), Ok(()));
    assert_eq!(at(10, EXP + 10), Err(TokenError::Expired));
}

#[test]
fn a_custom_policy_covers_a_pattern_a_time_and_a_network() {
    let query = format!("x=1&Policy={POLICY}&Signature={POLICY_SIGNATURE}&Key-Pair-Id=K2EC");
    let ask = |path: &str, check_ip, seconds: u64, client: [u8; 4]| {
        let headers = HeaderMap::new();
        let request = RequestFacts {
            host: "cdn.example",
            client: Some(client.into()),
            raw_query: Some(&query),
            ..RequestFacts::new(path, Some("x=1"), &headers)
        };
        format(check_ip, 0).accept(POLICY_SIGNATURE.as_bytes(), &request, Millis(seconds * 1000)).map(drop)
    };
    let (near, far) = ([192, 0, 2, 7], [198, 51, 100, 7]);
    assert_eq!(ask("/live/b/c.ts", true, EXP - 100, near), Ok(()));
    assert_eq!(ask("/vod/b.ts", true, EXP - 100, near), Err(TokenError::WrongUrl));
    assert_eq!(ask("/live/b.ts", true, EXP - 101, near), Err(TokenError::NotYet));
    assert_eq!(ask("/live/b.ts", true, EXP, near), Err(TokenError::Expired));
    assert_eq!(ask("/live/b.ts", true, EXP - 1, far), Err(TokenError::WrongClient));
    assert_eq!(ask("/live/b.ts", false, EXP - 1, far), Ok(()));
}

#[test]
fn cookies_say_the_same_as_a_query() {
    let with = |cookies: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
        let request = RequestFacts {
            host: "cdn.example",
            client: Some([192, 0, 2, 7].into()),
            ..RequestFacts::new("/live/b.ts", Some("Policy=of-the-site"), &headers)
        };
        let request = RequestFacts { query: None, ..request };
        format(true, 0).accept(POLICY_SIGNATURE.as_bytes(), &request, NOW).map(drop)
    };
    let (policy, signature) =
        (format!("CloudFront-Policy={POLICY}"), format!("CloudFront-Signature={POLICY_SIGNATURE}"));
    assert_eq!(with(&format!("{policy}; {signature}; CloudFront-Key-Pair-Id=K2EC; x=y")), Ok(()));
    assert_eq!(with(&format!("{policy}; {signature}")), Err(TokenError::Malformed));
    assert_eq!(with(&format!("{signature}; CloudFront-Key-Pair-Id=K2EC")), Err(TokenError::Malformed));
    let hash = "CloudFront-Hash-Algorithm=SHA256";
    assert_eq!(
        with(&format!("{policy}; {signature}; CloudFront-Key-Pair-Id=K2EC; {hash}")),
        Err(TokenError::BadSignature)
    );
}

#[test]
fn parameters_that_stand_twice_contradict_or_are_overlong_are_refused() {
    let good = canned_query(EC_SHA1, "K2EC");
    for more in ["Expires=1790000100", "Signature=x", "Key-Pair-Id=K2EC", "Policy=eyJ9", "Expires="] {
        assert_eq!(answer(&format!("{good}&{more}")), Err(TokenError::Malformed), "{more}");
    }
    assert_eq!(answer(&format!("Signature={EC_SHA1}&Key-Pair-Id=K2EC")), Err(TokenError::Malformed));
    assert_eq!(answer(&format!("Signature={EC_SHA1}&Expires={EXP}")), Err(TokenError::Malformed));
    assert_eq!(answer(&canned_query(&"A".repeat(8193), "K2EC")), Err(TokenError::TooLong));
    let policy = "A".repeat(8193);
    assert_eq!(answer(&format!("Signature={EC_SHA1}&Key-Pair-Id=K2EC&Policy={policy}")), Err(TokenError::TooLong));
}

/// What is said of a policy that was signed as it should be.
fn of_policy(policy: &str) -> Result<(), TokenError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let key = Key::public_pem(Algorithm::ES256, Some("K"), pem.as_bytes()).unwrap();
    let format = CloudFront::new(Settings {
        keys: Arc::new(Keys::new([key])),
        in_query: true,
        in_cookies: true,
        check_ip: true,
        leeway: Duration::ZERO,
    });
    let written = |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~");
    let signature = pair.sign(&SystemRandom::new(), policy.as_bytes()).unwrap();
    let query = format!(
        "Policy={}&Signature={}&Key-Pair-Id=K&Hash-Algorithm=SHA256",
        written(policy.as_bytes()),
        written(signature.as_ref())
    );
    ask(&format, "/live/a.ts", &query, NOW).map(drop)
}

#[test]
fn a_policy_says_nothing_that_is_not_understood() {
    let until = r#""DateLessThan":{"AWS:EpochTime":1790000100}"#;
    for (policy, expected) in [
        (format!(r#"{{"Statement":[{{"Condition":{{{until}}}}}]}}"#), Ok(())),
        (format!(r#"{{"Statement": [{{"Resource":"*","Condition":{{{until}}}}}]}} "#), Ok(())),
        (format!(r#"{{"Statement":[{{"Resource":"https://cdn.example/liv?/*","Condition":{{{until}}}}}]}}"#), Ok(())),
        (
            format!(r#"{{"Statement":[{{"Condition":{{{until},"IpAddress":{{"AWS:SourceIp":"0.0.0.0/0"}}}}}}]}}"#),
            Ok(()),
        ),
        (
            format!(r#"{{"Statement":[{{"Condition":{{{until},"IpAddress":{{"AWS:SourceIp":"192.0.2.8"}}}}}}]}}"#),
            Err(TokenError::WrongClient),
        ),
        (
            format!(r#"{{"Statement":[{{"Condition":{{{until},"IpAddress":{{"AWS:SourceIp":"x"}}}}}}]}}"#),
            Err(TokenError::Malformed),
        ),
        (format!(r#"{{"Statement":[{{"Condition":{{{until},{until}}}}}]}}"#), Err(TokenError::Malformed)),
        (format!(r#"{{"Statement":[{{"Condition":{{{until},"Geo":"NL"}}}}]}}"#), Err(TokenError::Malformed)),
        (
            format!(r#"{{"Statement":[{{"Condition":{{{until}}}}},{{"Condition":{{{until}}}}}]}}"#),
            Err(TokenError::Malformed),
        ),
        (r#"{"Statement":[{"Resource":"*","Condition":{}}]}"#.to_owned(), Err(TokenError::Malformed)),
        (r#"{"Statement":[]}"#.to_owned(), Err(TokenError::Malformed)),
        ("[".repeat(5000), Err(TokenError::Malformed)),
    ] {
        assert_eq!(of_policy(&policy), expected, "{policy}");
    }
}

#[test]
fn a_url_cannot_write_a_policy_of_its_own() {
    let quoted = r#"https://a.example/","Condition":{}"#;
    assert_eq!(
        canned(quoted, 7),
        r#"{"Statement":[{"Resource":"https://a.example/\",\"Condition\":{}","Condition":{"DateLessThan":{"AWS:EpochTime":7}}}]}"#
    );
}

#[test]
fn everything_that_came_with_the_signature_leaves_the_request_with_it() {
    let companions = format(true, 0).companions();
    assert!(NAMES.iter().chain(&COOKIES).all(|name| companions.contains(name)));
    assert!(format(true, 0).covers_request(b""));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(token in proptest::collection::vec(any::<u8>(), 0..80), query in "\\PC{0,120}") {
        let headers = HeaderMap::new();
        let request = RequestFacts::new("/", Some(&query), &headers);
        prop_assert!(format(true, 0).verify(&token, &request, NOW).is_err());
        let _ = decode(&token);
        let _ = answer(&format!("Signature={EC_SHA1}&Key-Pair-Id=K2EC&Policy={query}"));
    }

    #[test]
    fn a_flipped_byte_of_a_good_url_never_verifies(rsa: bool, at in any::<prop::sample::Index>(), bit in 0_u8..7) {
        let good = if rsa { canned_query(RSA_SHA1, "K2RSA") } else { canned_query(EC_SHA1, "K2EC") };
        let mut bytes = good.into_bytes();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        let query = String::from_utf8(bytes).unwrap();
        prop_assert!(answer(&query).is_err(), "{query}");
    }
}
