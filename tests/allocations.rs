//! What is measured by an allocator that counts, which is the whole binary's.

mod expression_memory;
mod fuzz_corpus;

// Fuzz targets are compiled into the library of cargo-fuzz as well, and name these by `crate`.
use streamgate::{identity, model};
