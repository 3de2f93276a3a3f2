//! How streams, accounts and times look in answers: everywhere the same.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Settings;
use crate::model::{Account, ApplicationId, Millis, Moment};
use crate::streams::account::Tombstone;
use crate::streams::{Cause, Stream};

/// A time as RFC 3339 writes it, in UTC.
pub(super) fn time(at: Millis) -> String {
    // A time after the year 9999 can only come from a broken clock.
    let bounded = Duration::from_millis(at.0.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + bounded).to_string()
}

/// An account by its two names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountName {
    /// The identity provider.
    idp: String,
    /// The account within it.
    subject: String,
}

impl AccountName {
    pub(super) fn new(account: &Account) -> Self {
        Self { idp: account.idp.to_string(), subject: account.subject.to_string() }
    }
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Admitted, no media yet. Holds a slot.
    Reserved,
    /// Holds a slot.
    Playing,
    /// A live player that polls without media. Holds a slot for a time.
    Paused,
    /// Silent. Holds no slot.
    Idle,
    /// The same device started something else. Holds no slot.
    Superseded,
    /// Out of the record.
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

/// What a manifest said of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// It goes on.
    Live,
    /// It has an end.
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
    /// Its id.
    id: String,
    /// Whose it is.
    account: AccountName,
    /// The application that started it.
    application: String,
    /// Who owns that.
    tenant: Option<String>,
    /// The device, where something names it.
    device: Option<String>,
    /// What is played.
    asset: String,
    /// Where it is in its life.
    state: State,
    /// When it started.
    #[schema(format = DateTime)]
    started: String,
    /// Since when it has been in its phase; since when it holds its slot, where it does.
    #[schema(format = DateTime)]
    since: String,
    /// When it was last heard of.
    #[schema(format = DateTime)]
    seen: String,
    /// Whether its requests pass here.
    traffic: bool,
    /// When its application last said that it plays, where one did.
    #[schema(format = DateTime)]
    declared: Option<String>,
    /// What a manifest said of its content.
    content: Option<Content>,
    /// What else is known of it.
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
    /// `evicted` (it gave way to another), `displaced` (an older one came back after a restart), `refused` (by a rule that looked again), `stopped` or `killed`.
    cause: &'static str,
    /// The policy that asked for it, where one did.
    policy: Option<String>,
    /// Its rule.
    rule: Option<String>,
    /// The stream that took its place, where one did.
    by: Option<String>,
    /// What its viewer is told, where somebody killed it.
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

/// A stream that was terminated and is remembered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminated)]
pub(super) struct TerminatedShown {
    /// As it was.
    stream: StreamShown,
    /// Why it ended.
    cause: CauseShown,
    /// How long it is remembered, if nothing more is heard of it.
    #[schema(format = DateTime)]
    until: String,
    /// Whether its player has been told.
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
