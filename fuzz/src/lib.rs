//! Fuzz targets of the token formats. `targets` is compiled twice: here for cargo-fuzz, and by `tests/fuzz_corpus.rs`.

#[path = "../../src/identity/mod.rs"]
pub mod identity;
#[path = "../../src/model/mod.rs"]
pub mod model;
pub mod targets;
