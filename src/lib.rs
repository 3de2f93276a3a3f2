//! Streamgate stands in front of video origins and limits how many streams an account may watch at once.
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | the words as small types: ids, attributes, time |
//! | [`net`] | listening, HTTP client, watched files |
//! | [`media`] | what a request asks for; reads and rewrites manifests |
//! | [`identity`] | who asks: tokens, play sessions |
//! | [`policy`] | rules, and their evaluation over the streams of an account |
//! | [`streams`] | the stream table: heartbeats, admission, expiry |
//! | [`key_sources`] | fetches keys, key sets and callback answers |
//! | [`overrides`] | blocks and exemptions that operators set |
//! | [`config`] | compiles the configuration into one immutable snapshot |
//! | [`telemetry`] | metrics, access log, decision log, webhooks |
//! | [`admission`] | decides about one request |
//! | [`gateway`] | the Pingora adapter: proxies what was admitted |
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
