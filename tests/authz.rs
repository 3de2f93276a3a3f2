//! Proxies that ask about their viewers' requests: the real program's control port, in the words of each proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod authz {
    mod conventions;
    mod forged;
    #[allow(dead_code, reason = "other tests use the rest")]
    #[path = "../gateway/support.rs"]
    mod program;
    mod streams;
    mod support;
    mod told;
    mod varnish;
}
