//! Key files that are written anew.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::json;
use streamgate::identity::jwt::{Algorithm, Jwt, Key};
use streamgate::identity::{Format, Issuers, KeyFiles, KeyPlace, KeySource, Keys, RequestFacts, TokenError};

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::blocks::{entry, reason};
use super::signers::hmac_signed;
use super::support::{House, START, soon};

fn token(secret: &[u8]) -> String {
    let payload = r#"{"sub":"alice","exp":1900000000}"#;
    hmac_signed(secret, jsonwebtoken::Algorithm::HS256, r#"{"alg":"HS256"}"#, payload)
}

fn verify(source: &KeySource, secret: &[u8]) -> Result<(), TokenError> {
    let format = Jwt::with_issuers(Issuers::anybody(source.keys.clone()), Duration::ZERO);
    let headers = HeaderMap::new();
    format.verify(token(secret).as_bytes(), &RequestFacts::new("/", None, &headers), START).map(drop)
}

const OLD: &[u8] = b"old old old old old old old old!";
const NEW: &[u8] = b"new new new new new new new new!";

fn source(place: KeyPlace) -> KeySource {
    KeySource { name: "application tv".into(), keys: Arc::new(Keys::new([])), places: vec![place] }
}

fn secret(folder: &tempfile::TempDir) -> KeySource {
    let key = Arc::new(Key::hmac(Algorithm::HS256, None, OLD).unwrap());
    let path = folder.path().join("key");
    source(KeyPlace::File { path, algorithm: Algorithm::HS256, kid: None, key })
}

#[tokio::test]
async fn a_key_file_that_is_rewritten_counts_without_a_restart_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, OLD).unwrap();
    let source = secret(&folder);
    let mut house = House::run(|settings| {
        settings.key_sources = vec![source.clone()];
        settings.pace.files = Duration::from_millis(5);
    });
    assert_eq!(house.told().await, "changed");
    assert_eq!(verify(&source, OLD), Ok(()));
    fs::write(&path, [NEW, b"\n"].concat()).unwrap();
    house.until("changed").await;
    assert_eq!((verify(&source, NEW), verify(&source, OLD)), (Ok(()), Err(TokenError::BadSignature)));
    fs::write(&path, "too short").unwrap();
    house.until("failed").await;
    assert_eq!(verify(&source, NEW), Ok(()), "the old one serves on");
    fs::remove_file(&path).unwrap();
    house.until("failed").await;
    assert_eq!(verify(&source, NEW), Ok(()));
    fs::write(&path, OLD).unwrap();
    house.until("changed").await;
    assert_eq!(verify(&source, OLD), Ok(()));
}

#[tokio::test]
async fn a_file_with_the_same_bytes_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let source = secret(&folder);
    fs::write(folder.path().join("key"), OLD).unwrap();
    let house = House::with_keys(vec![source.clone()]);
    let version = source.keys.version();
    fs::write(folder.path().join("key"), OLD).unwrap();
    house.key_sources.reread();
    assert_eq!(source.keys.version(), version);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_at_the_start_serves_as_the_configuration_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = secret(&folder);
    let mut house = House::with_keys(vec![source.clone()]);
    assert_eq!(house.told().await, "failed");
    fs::write(folder.path().join("key"), NEW).unwrap();
    house.key_sources.reread();
    assert_eq!(verify(&source, NEW), Ok(()));
}

#[tokio::test]
async fn a_key_set_in_a_file_may_hold_secrets_and_is_there_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let write = |secret: &[u8]| {
        let key = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret) });
        fs::write(&path, json!({ "keys": [key] }).to_string()).unwrap();
    };
    write(OLD);
    let source = source(KeyPlace::SetFile { path: path.clone(), rsa: Algorithm::RS256, keys: Vec::new() });
    let house = House::with_keys(vec![source.clone()]);
    assert_eq!(verify(&source, OLD), Ok(()));
    write(NEW);
    house.key_sources.reread();
    assert_eq!(verify(&source, NEW), Ok(()));
    for broken in ["", "{}", r#"{"keys":[]}"#] {
        fs::write(&path, broken).unwrap();
        house.key_sources.reread();
        assert_eq!(verify(&source, NEW), Ok(()), "{broken}");
    }
}

#[tokio::test]
async fn keys_of_another_kind_are_read_by_their_format_when_one_of_their_files_changes() {
    let folder = tempfile::tempdir().unwrap();
    let files = vec![folder.path().join("a"), folder.path().join("b")];
    for file in &files {
        fs::write(file, "1").unwrap();
    }
    let (sum, paths) = (Arc::new(AtomicU64::new(0)), files.clone());
    let read = {
        let sum = sum.clone();
        move || {
            let number = |path| {
                fs::read_to_string(path)
                    .map_err(|error| error.to_string())?
                    .parse::<u64>()
                    .map_err(|error| error.to_string())
            };
            let numbers = paths.iter().map(number).collect::<Result<Vec<_>, String>>()?;
            sum.store(numbers.into_iter().sum(), SeqCst);
            Ok(())
        }
    };
    let keys = KeyFiles { name: "application tv".into(), files: files.clone(), read: Arc::new(read) };
    let mut house = House::run(|settings| settings.key_files = vec![keys]);
    assert_eq!((house.told().await, sum.load(SeqCst)), ("changed", 2));
    for (file, text, told, expected) in
        [(0, "5", "changed", 6), (1, "7", "changed", 12), (0, "?", "failed", 12), (0, "9", "changed", 16)]
    {
        fs::write(&files[file], text).unwrap();
        house.key_sources.reread();
        house.key_sources.reread();
        assert_eq!((house.told().await, sum.load(SeqCst)), (told, expected));
    }
}

/// Puts a named pipe in the place of a file: whoever opens it waits for somebody who writes into it.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path); // there need not be one
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Lets go whoever reads from the pipe, so that a test that fails ends.
fn release(path: &Path) {
    // Opened in both directions, it waits for nobody.
    fs::File::options().read(true).write(true).open(path).unwrap();
}

#[tokio::test]
async fn a_pipe_in_place_of_a_key_file_is_not_opened_and_other_files_are_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, blocks] = ["a", "b", "blocks"].map(|name| folder.path().join(name));
    for file in [&a, &b] {
        fs::write(file, "1").unwrap();
    }
    let files = vec![a.clone(), b.clone()];
    let read = {
        let files = files.clone();
        move || files.iter().try_for_each(|file| fs::read(file).map(drop)).map_err(|error| error.to_string())
    };
    let keys = KeyFiles { name: "application tv".into(), files, read: Arc::new(read) };
    let mut house = House::run(|settings| {
        settings.key_files = vec![keys];
        settings.blocks_file = Some(blocks.clone());
    });
    house.until("changed").await;
    pipe(&b);
    fs::write(&blocks, entry("alice")).unwrap();
    // The second time another file of the same keys changes.
    for text in ["2", "3"] {
        fs::write(&a, text).unwrap();
        let key_sources = house.key_sources.clone();
        let reread = timeout(Duration::from_secs(10), spawn_blocking(move || key_sources.reread())).await;
        release(&b);
        assert!(reread.is_ok(), "it waits for somebody who writes into the pipe");
        house.until("failed").await;
    }
    assert!(reason(&house, "alice").is_some());
}

#[tokio::test]
async fn a_read_that_hangs_keeps_no_other_file_waiting_nor_who_stops_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let [file, hangs, blocks] = ["key", "hangs", "blocks"].map(|name| folder.path().join(name));
    fs::write(&file, "1").unwrap();
    pipe(&hangs);
    let began = Arc::new(Notify::new());
    let (reads, begins, pipe_read) = (AtomicU64::new(0), began.clone(), hangs.clone());
    let read = move || {
        if reads.fetch_add(1, SeqCst) > 0 {
            begins.notify_one();
            fs::read(&pipe_read).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let keys = KeyFiles { name: "application tv".into(), files: vec![file.clone()], read: Arc::new(read) };
    let mut house = House::run(|settings| {
        settings.key_files = vec![keys];
        settings.blocks_file = Some(blocks.clone());
        settings.pace.files = Duration::from_millis(5);
    });
    fs::write(&file, "2").unwrap();
    soon(began.notified()).await;
    fs::write(&blocks, entry("alice")).unwrap();
    let read = timeout(Duration::from_secs(10), async {
        while reason(&house, "alice").is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let read = read.await;
    if read.is_err() {
        release(&hangs);
    }
    assert!(read.is_ok(), "the blocks wait for the keys");
    let stopped = timeout(Duration::from_secs(10), house.shut_down()).await;
    release(&hangs);
    assert!(stopped.is_ok(), "it waits for the file");
}
