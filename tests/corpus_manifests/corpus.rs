//! The public corpus: where it lies, what each file is, and whether its bytes are the ones that were described.

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// One file of the corpus.
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    flags: Vec<String>,
}

impl Manifest {
    pub(crate) fn is_hls(&self) -> bool {
        self.path.starts_with("hls/")
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    /// The corpus has no file in another encoding.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}

/// Every manifest of the corpus; the JSON asset lists are none.
pub(crate) fn corpus() -> Option<Vec<Manifest>> {
    let root = std::env::var_os("STREAMGATE_CORPUS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let Ok(index) = std::fs::read(root.join("MANIFEST.json")) else {
        eprintln!("SKIPPED: no corpus of manifests at {}; set STREAMGATE_CORPUS to its folder", root.display());
        return None;
    };
    let index: Value = serde_json::from_slice(&index).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = index["files"].as_array().unwrap().iter().filter(|file| file["kind"] != "asset-list");
    let manifests: Vec<_> = files
        .map(|file| {
            let path = text(&file["path"]);
            let bytes = std::fs::read(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let described = text(&file["sha256"]);
            let described =
                (0..described.len()).step_by(2).map(|at| u8::from_str_radix(&described[at..at + 2], 16).unwrap());
            let sum = digest(&SHA256, &bytes);
            assert!(described.eq(sum.as_ref().iter().copied()), "{path} is not the file that was described");
            let flags = file["flags"].as_array().unwrap().iter().map(text).collect();
            Manifest { path, kind: text(&file["kind"]), bytes, flags }
        })
        .collect();
    assert!(manifests.len() > 300, "the corpus is incomplete");
    Some(manifests)
}
