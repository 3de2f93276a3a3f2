//! Signed URLs of botocore's `CloudFrontSigner`, over random URLs and policies: what it signs is good here, and good for
//! nothing else.
//!
//! botocore is a Python library; the signatures are openssl's. Without them the test says that it skips.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use streamgate::identity::cloud_front::{CloudFront, Settings};
use streamgate::identity::jwt::{Algorithm, Key};
use streamgate::identity::{Format, Keys, RequestFacts, TokenError};
use streamgate::model::Millis;

const UNTIL: u64 = 1_790_000_100;

/// The signer, in a process of its own.
struct Oracle {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// The signer and its public keys; `None` where there is no Python, or where it lacks the library.
    fn start() -> Option<(Self, Value)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = root.join("target/oracles/bin/python");
        let python = if installed.exists() { installed } else { PathBuf::from("python3") };
        let mut process = Command::new(python)
            .arg(root.join("tests/oracles/cloud_front.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (requests, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut oracle = Self { process, requests, answers };
        let keys = oracle.answer()?;
        Some((oracle, keys))
    }

    fn ask(&mut self, request: &Value) -> String {
        writeln!(self.requests, "{request}").unwrap();
        self.answer().unwrap()["url"].as_str().unwrap().to_owned()
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone, Debug)]
struct Case {
    path: String,
    query: String,
    key: &'static str,
    hash: &'static str,
    /// The resource of a custom policy, as a pattern that covers the URL, and whether it names network and start.
    custom: Option<(String, bool)>,
}

fn case() -> impl Strategy<Value = Case> {
    let path = "(/[a-zA-Z0-9._~!$'()+,;=:@-]{1,12}){1,4}";
    let query = "([a-z]{1,6}=[A-Za-z0-9._~%/-]{0,8}(&[a-z]{1,6}=[A-Za-z0-9._~-]{0,8}){0,2})?";
    let resource =
        prop::sample::select(vec!["*", "http*://cdn.example/*", "https://cdn.e?ample/*", "https://cdn.example*"]);
    let custom = prop::option::of((resource.prop_map(str::to_owned), any::<bool>()));
    let (keys, hashes) = (prop::sample::select(vec!["rsa", "ec"]), prop::sample::select(vec!["SHA1", "SHA256"]));
    (path, query, keys, hashes, custom).prop_map(|(path, query, key, hash, custom)| Case {
        path,
        query,
        key,
        hash,
        custom,
    })
}

fn format(keys: &Value) -> CloudFront {
    let key =
        |algorithm, id: &str| Key::public_pem(algorithm, Some(id), keys[id].as_str().unwrap().as_bytes()).unwrap();
    let keys = Arc::new(Keys::new([key(Algorithm::RS256, "rsa"), key(Algorithm::ES256, "ec")]));
    CloudFront::new(Settings { keys, in_query: true, in_cookies: true, check_ip: true, leeway: Duration::ZERO })
}

/// What is said of a signed query for this path, its parts in the query or in cookies.
fn judged(format: &CloudFront, path: &str, query: &str, in_cookies: bool, seconds: u64) -> Result<(), TokenError> {
    let names = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];
    let is_signing = |part: &&str| names.contains(&part.split('=').next().unwrap_or_default());
    let (signing, plain): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_signing);
    let token = signing.iter().find_map(|part| part.strip_prefix("Signature=")).unwrap();
    let mut headers = HeaderMap::new();
    if in_cookies {
        let cookies: Vec<_> = signing.iter().map(|part| format!("CloudFront-{part}")).collect();
        headers.insert(COOKIE, HeaderValue::from_str(&cookies.join("; ")).unwrap());
    }
    let plain = plain.join("&");
    let request = RequestFacts {
        host: "cdn.example",
        query: Some(&plain),
        raw_query: Some(if in_cookies { &plain } else { query }),
        client: Some([192, 0, 2, 7].into()),
        ..RequestFacts::new(path, None, &headers)
    };
    format.accept(token.as_bytes(), &request, Millis(seconds * 1000)).map(drop)
}

#[test]
fn what_the_sdk_signs_is_good_and_good_for_nothing_else() {
    let Some((oracle, keys)) = Oracle::start() else {
        eprintln!("SKIPPED: botocore is not there; `scripts/install test` installs it");
        return;
    };
    let (oracle, format) = (RefCell::new(oracle), format(&keys));
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(), |case| {
        let Case { path, query, key, hash, custom } = case;
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("https://cdn.example{path}{separator}{query}");
        let mut request = json!({ "url": url, "key": key, "hash": hash, "until": UNTIL });
        if let Some((resource, is_narrow)) = &custom {
            request["resource"] = json!(resource);
            request["from"] = if *is_narrow { json!(UNTIL - 100) } else { Value::Null };
            request["address"] = if *is_narrow { json!("192.0.2.0/24") } else { Value::Null };
        }
        let signed = oracle.borrow_mut().ask(&request);
        let (_, signed) = signed.split_once('?').unwrap();
        for in_cookies in [false, true] {
            let at = |path: &str, seconds| judged(&format, path, signed, in_cookies, seconds);
            prop_assert_eq!(at(&path, UNTIL - 1), Ok(()));
            prop_assert_eq!(at(&path, UNTIL), Err(TokenError::Expired));
            let elsewhere = at(&format!("{path}x"), UNTIL - 1);
            let expected = if custom.is_some() { Ok(()) } else { Err(TokenError::BadSignature) };
            prop_assert_eq!(elsewhere, expected);
            if let Some((_, true)) = custom {
                prop_assert_eq!(at(&path, UNTIL - 101), Err(TokenError::NotYet));
            }
        }
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.unwrap_err());
}
