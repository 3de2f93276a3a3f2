//! One function for each format: any bytes may come in, and what must never happen is a panic.
//!
//! Bytes are read in several ways: as a token that somebody made up, and as what stands behind a signature, which the
//! function then makes with a key of its own. Keys that sign nothing must never verify anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs,
    unreachable_pub,
    reason = "targets panic, and two crates compile them"
)]

mod ask;
mod blocks;
mod cat;
mod cloud_front;
mod cmcd;
mod edge_auth;
mod jwks;
mod jwt;
mod media_cdn;
mod play_session;
mod request;
mod uri_signing;

/// Bytes of the longest input; longer ones are passed over.
pub const MAX_INPUT: usize = 16 * 1024;

/// Bytes that may be allocated at any moment of one input. A token takes 5 MiB to verify and 3 MiB to be remembered where it
/// has as many regular expressions as are allowed, each as large as is allowed; without any, all stays below 1 MiB.
pub const MAX_LIVE: u64 = 12 << 20;

/// One target.
pub struct Target {
    pub name: &'static str,
    /// Goes through one input.
    run: fn(&[u8]),
    /// Names and contents of the inputs to begin with.
    pub seeds: fn() -> Vec<Seed>,
}

/// An input with its name.
pub type Seed = (&'static str, Vec<u8>);

/// Every target.
pub const TARGETS: [Target; 11] = [
    Target { name: "blocks", run: blocks::blocks, seeds: blocks::seeds },
    Target { name: "cat", run: cat::cat, seeds: cat::seeds },
    Target { name: "cloud_front", run: cloud_front::cloud_front, seeds: cloud_front::seeds },
    Target { name: "cmcd", run: cmcd::cmcd, seeds: cmcd::seeds },
    Target { name: "edge_auth", run: edge_auth::edge_auth, seeds: edge_auth::seeds },
    Target { name: "jwks", run: jwks::jwks, seeds: jwks::seeds },
    Target { name: "jwt", run: jwt::jwt, seeds: jwt::seeds },
    Target { name: "media_cdn", run: media_cdn::media_cdn, seeds: media_cdn::seeds },
    Target { name: "play_session", run: play_session::play_session, seeds: play_session::seeds },
    Target { name: "request", run: request::request, seeds: request::seeds },
    Target { name: "uri_signing", run: uri_signing::uri_signing, seeds: uri_signing::seeds },
];

/// Runs the target of that name over one input, and gives how many bytes were allocated at the worst moment.
///
/// Counted is what this thread takes from Rust's allocator: a single allocation of more than [`MAX_LIVE`] fails as well.
pub fn run(name: &str, data: &[u8]) -> u64 {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    if data.len() > MAX_INPUT {
        return 0;
    }
    let live = allocation_counter::measure(|| (target.run)(data)).bytes_max;
    assert!(live <= MAX_LIVE, "{name} took {live} bytes at a time for an input of {}", data.len());
    live
}
