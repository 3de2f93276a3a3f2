//! Streamgate is a reverse proxy for video origins that limits the concurrent streams of each account.
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | basic types: ids, attributes, time |
//! | [`net`] | listening, HTTP client, watched files |
//! | [`media`] | classifies requests; reads and rewrites manifests |
//! | [`identity`] | identifies viewers: tokens, play sessions |
//! | [`policy`] | rules, and their evaluation over the streams of an account |
//! | [`streams`] | the stream table: heartbeats, admission, expiry |
//! | [`key_sources`] | fetches keys, key sets and callback answers |
//! | [`overrides`] | blocks and exemptions that operators set |
//! | [`config`] | compiles the configuration into immutable settings |
//! | [`telemetry`] | metrics, access log, decision log, webhooks |
//! | [`admission`] | decides on one request |
//! | [`gateway`] | the Pingora adapter: proxies admitted requests |
//! | [`control`] | the control port: health, metrics, session API, operator API, forward authentication |
//! | [`demo`] | the origin of `streamgate demo` |
//!
//! Each module imports only from those above it in this table; `tests/architecture.rs` checks that.

#![forbid(unsafe_code)]

pub mod admission;
pub mod config;
pub mod control;
pub mod demo;
pub mod gateway;
pub mod identity;
pub mod key_sources;
pub mod media;
pub mod model;
pub mod net;
pub mod overrides;
pub mod policy;
pub mod streams;
pub mod telemetry;
