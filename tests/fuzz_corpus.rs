//! The fuzz targets over what is saved in `fuzz/corpus`, over mutations of it, and over published tokens: in a few seconds
//! what `make fuzz` does for long. Nothing panics, and what an input takes of memory is bounded.
//!
//! `FUZZ_SEEDS=write` saves the inputs anew that each target begins with; what fuzzing found stays beside them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::targets::{MAX_INPUT, TARGETS};

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

/// Mutations of each saved input.
const MUTATIONS: usize = 60;

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        mod saved_inputs_and_mutations_of_them_neither_panic_nor_take_much_memory {
            $(#[test]
            fn $name() {
                super::saved(stringify!($name));
            })*
        }

    };
}

macro_rules! published {
    ($($name:ident: $family:literal)*) => {
        mod published_inputs_neither_panic_nor_take_much_memory {
            $(#[test]
            fn $name() {
                super::published(stringify!($name), $family);
            })*
        }
    };
}

published! { cat: "cat" cmcd: "cmcd" edge_auth: "edgeauth" jwt: "jwt" media_cdn: "media_cdn" uri_signing: "uri_signing" }

targets! { blocks cat cloud_front cmcd edge_auth jwks jwt media_cdn play_session request uri_signing }

#[test]
fn every_target_is_tested_here_and_built_by_cargo_fuzz() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let manifest = fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let built: BTreeSet<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    assert_eq!(built.into_iter().map(|file| file.trim_end_matches(".rs\"")).collect::<Vec<_>>(), names);
}

#[test]
fn the_inputs_that_targets_begin_with_are_saved() {
    for target in TARGETS {
        for (name, input) in (target.seeds)() {
            let file = home().join("corpus").join(target.name).join(name);
            if std::env::var_os("FUZZ_SEEDS").is_some_and(|what| what == "write") {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, &input).unwrap();
            }
            assert_eq!(fs::read(&file).ok(), Some(input), "{}: run this test with FUZZ_SEEDS=write", file.display());
        }
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn saved(target: &str) {
    let folder = home().join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(inputs.len() >= 10, "{target} has {} inputs", inputs.len());
    let mut worst = 0;
    for (nth, (file, input)) in files.iter().zip(&inputs).enumerate() {
        worst = worst.max(tried(target, input, &file.display().to_string()));
        let mut dice = Dice(nth as u64 + 1);
        for round in 0..MUTATIONS {
            let mutation = dice.mutation(input, &inputs);
            worst = worst.max(tried(target, &mutation, &format!("mutation {round} of {}", file.display())));
        }
    }
    println!("{target}: {} inputs with {MUTATIONS} mutations each, {worst} bytes at a time at most", inputs.len());
}

/// Says what the input is when the target panics.
fn tried(target: &str, input: &[u8], what: &str) -> u64 {
    let result = std::panic::catch_unwind(|| targets::run(target, input));
    result.unwrap_or_else(|_| panic!("{target} over {what}: {}", input.escape_ascii()))
}

/// A small generator (splitmix64): what it throws is the same in every run.
struct Dice(u64);

impl Dice {
    /// Below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap()
    }

    /// A range within a text of that length.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        one.min(other)..one.max(other)
    }

    /// One to three changes to the input.
    fn mutation(&mut self, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.range(bytes.len());
            match self.below(6) {
                0 => drop(bytes.drain(at)),
                1 => drop(bytes.splice(at.end..at.end, bytes[at.clone()].to_vec())),
                2 => drop(bytes.splice(
                    at,
                    b"%&~!/;=.,:\0\xff\x9b{[\"-9"[self.below(18)..].iter().take(1).copied().collect::<Vec<_>>(),
                )),
                3 => {
                    let other = &others[self.below(others.len())];
                    let piece = other[self.range(other.len())].to_vec();
                    drop(bytes.splice(at, piece));
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at.start) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes.truncate(MAX_INPUT);
        bytes
    }
}

/// Runs what is published for the target, and leaves it for `make fuzz` where that looks for it.
fn published(target: &str, family: &str) {
    let corpus = std::env::var_os("STREAMGATE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let file = corpus.join(format!("vectors/{family}.json"));
    let Ok(text) = fs::read(&file) else {
        eprintln!("SKIPPED: no {family} vectors at {}", file.display());
        return;
    };
    let mut inputs = BTreeSet::new();
    gather(&serde_json::from_slice::<Value>(&text).unwrap()["vectors"], &mut inputs);
    assert!(inputs.len() >= 20, "{target} has {} published inputs", inputs.len());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published").join(target);
    fs::create_dir_all(&folder).unwrap();
    for (nth, input) in inputs.iter().enumerate() {
        tried(target, input, "a published input");
        fs::write(folder.join(nth.to_string()), input).unwrap();
    }
}

/// What of the vectors is a token or another input: claims too, as JSON.
fn gather(value: &Value, inputs: &mut BTreeSet<Vec<u8>>) {
    const NAMES: [&str; 8] = ["token", "input", "uri", "url", "path", "parameter", "regex", "payload"];
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, inputs)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if NAMES.contains(&name.as_str()) => drop(inputs.insert(text.clone().into())),
                    Value::Object(headers) if name == "headers" => {
                        inputs.extend(headers.values().filter_map(Value::as_str).map(|text| text.as_bytes().to_vec()));
                    }
                    Value::Object(_) if name == "claims" => drop(inputs.insert(member.to_string().into())),
                    _ if name != "source" => gather(member, inputs),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
