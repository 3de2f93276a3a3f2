//! Streamgate stands in front of video origins and holds each account to its number of concurrent streams.
//!
//! A request is asked four questions, one room each: [`media`] (what is asked for?), [`identity`] (who asks?), [`streams`]
//! (is it playing?) and [`policy`] (may it?). [`questions`] asks them: of traffic that passes the [`gateway`], and of requests
//! that other proxies tell [`control`] of, which also answers operators.
//! [`config`] compiles what an operator wrote into one immutable snapshot, [`trust`] fetches the keys and verdicts that
//! identity rests on, [`telemetry`] listens. [`model`] holds the words
//! that all of them share, [`net`] what every port needs of the network, and [`demo`] is an origin to try things with.

#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod demo;
pub mod gateway;
pub mod identity;
pub mod media;
pub mod model;
pub mod net;
pub mod policy;
pub mod questions;
pub mod streams;
pub mod telemetry;
pub mod trust;
