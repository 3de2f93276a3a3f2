//! Bounds of durations and sizes.

use std::time::Duration;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::scalar_formats::{Bytes, Written};
use crate::config::settings::Limits;
use crate::streams;

use super::context::Context;

/// Minimum and maximum.
pub(super) type Bounds = (Duration, Duration);

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const MONTH: Duration = Duration::from_hours(24 * 30);

/// Network timeouts.
pub(super) const TIMEOUT: Bounds = (MILLISECOND, HOUR);
/// Durations that may be 0.
pub(super) const UP_TO_AN_HOUR: Bounds = (Duration::ZERO, HOUR);
/// Lifetime of play sessions.
pub(super) const SESSION: Bounds = (Duration::from_mins(1), MONTH);
/// Refresh of key sets.
pub(super) const REFRESH: Bounds = (Duration::from_secs(10), Duration::from_hours(24));
/// Lifetime of callback results.
pub(super) const LIFETIME: Bounds = (SECOND, Duration::from_hours(24));
/// Name resolution.
pub(super) const RESOLVE: Bounds = (SECOND, HOUR);
/// Grace of rules.
pub(super) const GRACE: Bounds = (Duration::ZERO, Duration::from_hours(24));
/// Durations of at least a second.
pub(super) const WINDOW: Bounds = (SECOND, MONTH);
/// Intervals.
pub(super) const INTERVAL: Bounds = (SECOND, HOUR);
/// Windows that may be 0.
pub(super) const OPTIONAL_WINDOW: Bounds = (Duration::ZERO, MONTH);

/// Headers: bounds the memory of one connection.
const HEADER: (u64, u64) = (4 << 10, 1 << 20);
/// Manifests: held in memory while rewritten.
const MANIFEST: (u64, u64) = (64 << 10, 256 << 20);

/// The duration. Reports it if it is out of `bounds`.
pub(super) fn bounded(
    context: &mut Context<'_>,
    at: &Pointer,
    written: &Written<Duration>,
    (least, most): Bounds,
) -> Duration {
    if written.value < least || written.value > most {
        let (least, most) = (Written::from(least), Written::from(most));
        let text = written.text();
        context.say(at, format!("`{text}` is out of range: write a duration from {} to {}", least.text(), most.text()));
    }
    written.value
}

fn size(context: &mut Context<'_>, at: &Pointer, written: &Written<Bytes>, (least, most): (u64, u64)) -> usize {
    if !(least..=most).contains(&written.value.0) {
        let (least, most) = (Written::from(Bytes(least)), Written::from(Bytes(most)));
        let text = written.text();
        context.say(at, format!("`{text}` is out of range: write a size from {} to {}", least.text(), most.text()));
    }
    usize::try_from(written.value.0).unwrap_or(usize::MAX)
}

pub(super) fn streams(context: &mut Context<'_>, raw: &raw::Streams, api: &raw::SessionApi) -> streams::Settings {
    let at = Pointer::default().key("streams");
    let idle = at.key("idle");
    let declared = Pointer::default().key("session_api");
    let mut time = |at: &Pointer, key, written, bounds| bounded(context, &at.key(key), written, bounds);
    let has = |evidence| raw.takeover.evidence.contains(&evidence);
    let takeover = streams::TakeoverSettings {
        device: has(raw::Evidence::Device),
        token: has(raw::Evidence::Token),
        client: has(raw::Evidence::Client),
        overdue: raw.takeover.overdue,
        verify: time(&at.key("takeover"), "verify", &raw.takeover.verify, UP_TO_AN_HOUR),
    };
    let settings = streams::Settings {
        reserve: time(&at, "reserve", &raw.reserve, WINDOW),
        idle_min: time(&idle, "min", &raw.idle.min, WINDOW),
        idle_max: time(&idle, "max", &raw.idle.max, WINDOW),
        paused_timeout: time(&at, "paused_timeout", &raw.paused_timeout, OPTIONAL_WINDOW),
        idle_retention: time(&at, "idle_retention", &raw.idle_retention, WINDOW),
        tombstone: time(&at, "tombstone", &raw.tombstone, WINDOW),
        min_tenure: time(&at, "min_tenure", &raw.min_tenure, OPTIONAL_WINDOW),
        sharing_overlap: time(&at, "sharing_overlap", &raw.sharing_overlap, WINDOW),
        interval: time(&declared, "interval", &api.interval, INTERVAL),
        grace: time(&declared, "grace", &api.grace, UP_TO_AN_HOUR),
        takeover,
        capacity: raw.capacity,
    };
    if settings.idle_min > settings.idle_max {
        let (min, max) = (raw.idle.min.text(), raw.idle.max.text());
        context
            .say(&idle.key("min"), format!("`{min}` is longer than `idle.max`, which is `{max}`: write a shorter one"));
    }
    settings
}

pub(super) fn limits(context: &mut Context<'_>, raw: &raw::Limits) -> Limits {
    let at = Pointer::default().key("limits");
    let mut time = |key, written| bounded(context, &at.key(key), written, TIMEOUT);
    let handshake_timeout = time("handshake_timeout", &raw.handshake_timeout);
    let header_timeout = time("header_timeout", &raw.header_timeout);
    let body_timeout = time("body_timeout", &raw.body_timeout);
    let keep_alive = time("keep_alive", &raw.keep_alive);
    let write_timeout = time("write_timeout", &raw.write_timeout);
    if header_timeout <= keep_alive {
        let (headers, keep) = (raw.header_timeout.text(), raw.keep_alive.text());
        let message = format!(
            "`{headers}` is not longer than `keep_alive`, which is `{keep}`: write a longer \
             one, or idle connections are closed as slow"
        );
        context.say(&at.key("header_timeout"), message);
    }
    Limits {
        connections: raw.connections,
        handshake_timeout,
        header_bytes: size(context, &at.key("header_bytes"), &raw.header_bytes, HEADER),
        header_timeout,
        body_timeout,
        keep_alive,
        requests_per_connection: raw.requests_per_connection,
        manifest_bytes: size(context, &at.key("manifest_bytes"), &raw.manifest_bytes, MANIFEST),
        write_timeout,
    }
}
