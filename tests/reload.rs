//! Another configuration while the gateway serves: the real program, its file, and SIGHUP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod reload {
    mod asking;
    mod fixed;
    mod names;
    mod policies;
    #[allow(dead_code, reason = "other tests use the rest")]
    #[path = "../gateway/support.rs"]
    mod program;
    mod refusing;
    mod serving;
    mod shortage;
    #[path = "../support/signers.rs"]
    mod signers;
    mod support;
    mod trust;
}
