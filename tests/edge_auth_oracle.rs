//! Tokens that Akamai's own library writes from random fields: they verify here with the same fields, and no longer when
//! one byte of them changes.
//!
//! The library is Python's `akamai-edgeauth`. Without it the test says that it skips.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde::Serialize;
use streamgate::identity::edge_auth::{EdgeAuth, Key, Mac, Settings};
use streamgate::identity::{Claims, Format, RequestFacts, Rotating, TokenError};
use streamgate::model::{Millis, RequestPath};

/// Tokens that are compared in one run.
const CASES: u32 = 1000;

/// The time of every check, in seconds.
const NOW: u64 = 1_793_500_000;

/// What the library is told.
#[derive(Clone, Debug, Serialize)]
struct Wanted {
    key: String,
    algorithm: &'static str,
    salt: Option<String>,
    escape_early: bool,
    ip: Option<IpAddr>,
    st: Option<u64>,
    exp: u64,
    acl: Option<String>,
    url: String,
    id: Option<String>,
    data: Option<String>,
}

/// The library, in a process that lives as long as the test.
struct Oracle {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    /// Where `scripts/install test` puts a Python with the library.
    fn installed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles/bin/python")
    }

    /// `None` where there is no Python, or where it lacks the library.
    fn start() -> Option<Self> {
        let installed = Self::installed();
        let python = if installed.exists() { installed } else { PathBuf::from("python3") };
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/edge_auth.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (to, from) = (process.stdin.take(), BufReader::new(process.stdout.take()?));
        let mut oracle = Self { process, to, from };
        (oracle.line().as_deref() == Some("ready")).then_some(oracle)
    }

    fn token(&mut self, wanted: &Wanted) -> String {
        let mut line = serde_json::to_vec(wanted).unwrap();
        line.push(b'\n');
        self.to.as_mut().unwrap().write_all(&line).unwrap();
        self.line().unwrap()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.from.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.to.take()); // the end of its input ends it
        let _ = self.process.wait();
    }
}

/// Free text: all of ASCII that can be printed but the separator, and some that is not ASCII.
fn free() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[ -}éß界😀]{1,40}")
}

/// Whether all origins read a path in the same way. What is not read so is refused before anybody looks at a token.
fn is_unambiguous(path: &str) -> bool {
    RequestPath::new(path).ambiguities().is_empty()
}

/// An address list, and a path that it covers.
fn acl_and_path() -> impl Strategy<Value = (String, String)> {
    let entry = "(/[a-z?]{1,6}){0,3}/[a-z.?]{0,5}\\*?";
    let entry = entry.prop_filter("ambiguous", |entry| is_unambiguous(entry));
    let made = (prop::collection::vec(entry, 1..4), any::<Index>(), "[a-z/]{0,8}").prop_map(|(entries, at, rest)| {
        let path = at.get(&entries).replace('*', &rest).replace('?', "x");
        (entries.join("!"), path)
    });
    made.prop_filter("ambiguous", |(_, path)| is_unambiguous(path))
}

/// What the library is told, and the path that is asked for as a client would send it.
fn wanted() -> impl Strategy<Value = (Wanted, String)> {
    let binding = prop_oneof![
        acl_and_path().prop_map(|(acl, path)| (Some(acl), path.clone(), path)),
        "(/[ -\"$-.0-9:;=@-}é界]{1,8}){1,4}"
            .prop_map(|path| (None, path.clone(), percent_encoded(&path)))
            .prop_filter("ambiguous", |(_, _, path)| is_unambiguous(path)),
    ];
    let made = ("([0-9a-f]{2}){8,40}", prop::sample::select(vec!["sha256", "sha1", "md5"]), free(), any::<bool>());
    let times = (prop::option::of(1..NOW), NOW + 1..4_000_000_000);
    let who = (prop::option::of(any::<IpAddr>()), free(), free());
    (made, times, binding, who).prop_map(|(made, (st, exp), (acl, url, path), (ip, id, data))| {
        let (key, algorithm, salt, escape_early) = made;
        (Wanted { key, algorithm, salt, escape_early, ip, st, exp, acl, url, id, data }, path)
    })
}

fn percent_encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' '
            | b'"'
            | b'%'
            | b'<'
            | b'>'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | b'\\'
            | 0x80.. => write!(out, "%{byte:02X}").unwrap(),
            _ => out.push(char::from(byte)),
        }
        out
    })
}

fn verify(wanted: &Wanted, path: &str, token: &[u8]) -> Result<Claims, TokenError> {
    let format = EdgeAuth::new(Settings {
        keys: Arc::new(Rotating::new([Key::from_hex(&wanted.key).unwrap()])),
        algorithm: match wanted.algorithm {
            "sha256" => Mac::Sha256,
            "sha1" => Mac::Sha1,
            _ => Mac::Md5,
        },
        salt: wanted.salt.as_deref().map(|salt| salt.as_bytes().into()),
        bind_url: true,
        check_ip: true,
        leeway: Duration::ZERO,
    });
    let headers = HeaderMap::new();
    let request = RequestFacts { client: wanted.ip, ..RequestFacts::new(path, None, &headers) };
    format.accept(token, &request, Millis(NOW * 1000))
}

#[test]
fn tokens_of_the_vendors_library_verify_and_changed_ones_do_not() {
    let Some(oracle) = Oracle::start() else {
        assert!(!Oracle::installed().exists(), "{} does not load akamai-edgeauth", Oracle::installed().display());
        eprintln!("SKIPPED: no Python with `akamai-edgeauth` to compare with; `scripts/install test` installs it");
        return;
    };
    let oracle = Mutex::new(oracle);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let cases = (wanted(), any::<Index>(), 1_u8..=255);
    let outcome = runner.run(&cases, |((wanted, path), at, flip)| {
        let token = oracle.lock().unwrap().token(&wanted);
        let claims = verify(&wanted, &path, token.as_bytes());
        prop_assert!(claims.is_ok(), "{token} for {path}: {:?}", claims.err());
        let claims = claims.unwrap();
        let st = wanted.st.map(|st| st.to_string());
        let suffix = if wanted.escape_early { "_unescaped" } else { "" };
        for (name, expected) in [
            ("st".to_owned(), &st),
            ("exp".to_owned(), &Some(wanted.exp.to_string())),
            ("acl".to_owned(), &wanted.acl),
            (format!("id{suffix}"), &wanted.id),
            (format!("data{suffix}"), &wanted.data),
        ] {
            let found = claims.text(&name);
            prop_assert_eq!(found.as_deref(), expected.as_deref(), "{} of {}", name, token);
        }
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] ^= flip;
        prop_assert!(verify(&wanted, &path, &changed).is_err(), "{} changed at {}", token, at);
        Ok(())
    });
    outcome.unwrap();
    eprintln!("compared {CASES} tokens of akamai-edgeauth");
}
