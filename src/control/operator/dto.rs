//! How answers represent streams, accounts and times.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Settings;
use crate::model::{Account, ApplicationId, Millis, Moment};
use crate::streams::account::Tombstone;
use crate::streams::{Cause, Stream};

/// A time in UTC (RFC 3339).
pub(super) fn time(at: Millis) -> String {
    // A time after the year 9999 means a broken clock.
    let bounded = Duration::from_millis(at.0.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + bounded).to_string()
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountName {
    /// The identity provider.
    idp: String,
    /// The account at that provider.
    subject: String,
}

impl AccountName {
    pub(super) fn new(account: &Account) -> Self {
        Self { idp: account.idp.to_string(), subject: account.subject.to_string() }
    }
}

/// State of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Admitted, no media requested yet. Holds a slot.
    Reserved,
    /// Playing. Holds a slot.
    Playing,
    /// A live player that refreshes its playlist without requesting media. Holds a slot for `streams.paused_timeout`.
    Paused,
    /// No heartbeat. Holds no slot.
    Idle,
    /// The same device started another stream. Holds no slot.
    Superseded,
    /// Terminated or removed.
    Ended,
}

impl State {
    pub(super) fn new(stream: &Stream, settings: &Settings, now: Millis) -> Self {
        match stream.state(&settings.streams, now) {
            crate::streams::State::Reserved => Self::Reserved,
            crate::streams::State::Playing => Self::Playing,
            crate::streams::State::Paused => Self::Paused,
            crate::streams::State::Idle => Self::Idle,
            crate::streams::State::Superseded => Self::Superseded,
            crate::streams::State::Ended => Self::Ended,
        }
    }
}

/// Type of content, from the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// Still being extended.
    Live,
    /// Complete.
    Vod,
}

impl Content {
    pub(super) fn from_stream(stream: &Stream) -> Option<Self> {
        stream.content().map(|content| if content == "live" { Self::Live } else { Self::Vod })
    }
}

/// A stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub(super) struct StreamShown {
    id: String,
    /// The account it belongs to.
    account: AccountName,
    /// The application that started it.
    application: String,
    /// The tenant that owns the application.
    tenant: Option<String>,
    /// The device, if identified.
    device: Option<String>,
    /// The asset.
    asset: String,
    state: State,
    /// When it started.
    #[schema(format = DateTime)]
    started: String,
    /// When its current state began; if it holds a slot, when it took it.
    #[schema(format = DateTime)]
    since: String,
    /// Time of the last heartbeat.
    #[schema(format = DateTime)]
    seen: String,
    /// True if its requests pass through the gateway.
    traffic: bool,
    /// Last heartbeat from its application through the session API, if any.
    #[schema(format = DateTime)]
    declared: Option<String>,
    /// Type of content, from the manifest.
    content: Option<Content>,
    /// Other attributes.
    attributes: BTreeMap<String, String>,
}

impl StreamShown {
    pub(super) fn new(account: &Account, stream: &Stream, settings: &Settings, moment: Moment) -> Self {
        let attributes = stream.attributes();
        Self {
            id: stream.id.to_string(),
            account: AccountName::new(account),
            application: stream.application.to_string(),
            tenant: tenant(settings, &stream.application),
            device: stream.device.name().map(str::to_owned),
            asset: stream.asset.to_string(),
            state: State::new(stream, settings, moment.now),
            started: time(moment.to_wall(stream.started)),
            since: time(moment.to_wall(stream.since())),
            seen: time(moment.to_wall(stream.last_seen())),
            traffic: !stream.is_declared() || stream.was_followed(),
            declared: stream.declared().map(time),
            content: Content::from_stream(stream),
            attributes: attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

fn tenant(settings: &Settings, application: &ApplicationId) -> Option<String> {
    settings.applications.get(application).map(|application| application.tenant.to_string())
}

/// Why a stream ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cause)]
pub(super) struct CauseShown {
    /// `evicted` (replaced by another stream), `displaced` (an older stream returned after a restart), `refused` (by a
    /// rule on reevaluation), `stopped` or `killed`.
    cause: &'static str,
    /// The policy that ended it, if any.
    policy: Option<String>,
    /// The rule of that policy.
    rule: Option<String>,
    /// The stream that replaced it, if any.
    by: Option<String>,
    /// The reason shown to the viewer, if it was killed.
    reason: Option<String>,
}

impl CauseShown {
    pub(super) fn new(cause: &Cause) -> Self {
        let (policy, rule) = match cause {
            Cause::Evicted { policy, rule, .. }
            | Cause::Displaced { policy, rule, .. }
            | Cause::Refused { policy, rule } => (Some(policy.to_string()), Some(rule.to_string())),
            Cause::Stopped | Cause::Killed { .. } => (None, None),
        };
        let by = match cause {
            Cause::Evicted { by, .. } | Cause::Displaced { by, .. } => Some(by.to_string()),
            Cause::Killed { by, .. } => by.as_ref().map(|by| by.stream.to_string()),
            Cause::Refused { .. } | Cause::Stopped => None,
        };
        let reason = match cause {
            Cause::Killed { reason, .. } => Some(reason.to_string()),
            _ => None,
        };
        Self { cause: cause.label(), policy, rule, by, reason }
    }
}

/// A terminated stream with a tombstone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminated)]
pub(super) struct TerminatedShown {
    /// Its last state.
    stream: StreamShown,
    /// Why it was terminated.
    cause: CauseShown,
    /// When the tombstone expires. A further request renews it.
    #[schema(format = DateTime)]
    until: String,
    /// True if its player has received the reason.
    told: bool,
}

impl TerminatedShown {
    pub(super) fn new(account: &Account, tombstone: &Tombstone, settings: &Settings, moment: Moment) -> Self {
        Self {
            stream: StreamShown::new(account, &tombstone.stream, settings, moment),
            cause: CauseShown::new(&tombstone.cause),
            until: time(moment.to_wall(tombstone.until)),
            told: tombstone.told,
        }
    }
}
