use crate::identity::jwt::Algorithm;
use crate::identity::parse_key_set;

use super::Seed;

/// A key set.
pub fn jwks(data: &[u8]) {
    for secrets in [false, true] {
        match parse_key_set(data, Algorithm::PS256, secrets) {
            Ok(set) => {
                assert!(!set.keys.is_empty() && set.keys.len() + set.skipped.len() <= 100);
                assert!(secrets || set.keys.iter().all(|key| !key.is_secret()), "a shared secret from anywhere");
                assert!(set.skipped.iter().all(|why| why.len() <= 1000 && !why.contains(char::is_control)));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

pub fn seeds() -> Vec<Seed> {
    // The public halves of pairs that nobody has: a point of RFC 7517 A.1, and what only looks like a modulus.
    let point = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;
    let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    let rsa = format!(r#""kty":"RSA","e":"AQAB","n":"v{}w""#, "A".repeat(340));
    let secret = r#""kty":"oct","alg":"HS256","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE""#;
    let set = |keys: &[String]| {
        format!(r#"{{"keys":[{}]}}"#, keys.iter().map(|key| format!("{{{key}}}")).collect::<Vec<_>>().join(","))
    };
    let all = [
        point.to_owned(),
        format!(r#"{ed},"kid":"e","use":"sig""#),
        format!(r#"{rsa},"alg":"RS256","kid":"r""#),
        secret.to_owned(),
    ];
    let odd = [
        format!(r#"{point},"use":"enc""#),
        format!(r#"{point},"d":"AA""#),
        format!(r#"{point},"alg":"ES384""#),
        format!(r#"{ed},"key_ops":["sign"]"#),
        format!(r#"{rsa},"alg":"PS256""#),
        format!(r#"{rsa},"alg":"RS512","kid":7"#),
        r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#.to_owned(),
        format!(r#""kty":"{}\u0000\u202e""#, "x".repeat(100)),
        r#""kty":"oct","k":"AA""#.to_owned(),
    ];
    let point = point.to_owned();
    vec![
        ("all", set(&all).into()),
        ("odd", set(&odd).into()),
        ("secret", set(&[secret.to_owned()]).into()),
        ("ed448", set(&[ed.replace("Ed25519", "Ed448")]).into()),
        ("same-key-twice", set(&[point.clone(), point]).into()),
        ("empty", br#"{"keys":[]}"#.to_vec()),
        ("no-objects", br#"{"keys":[1,null,"a",[]],"keys2":{}}"#.to_vec()),
        ("members-twice", br#"{"keys":[],"keys":[{}]}"#.to_vec()),
        ("many", format!(r#"{{"keys":[{}1]}}"#, "1,".repeat(101)).into()),
        ("deep", format!(r#"{{"keys":{}}}"#, "[".repeat(200)).into()),
    ]
}
