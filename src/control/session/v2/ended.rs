//! Calls for a session that holds no slot.

use crate::config::Application;
use crate::model::{Account, StreamId};
use crate::streams::{Cause, Ended};

use super::advice::Adviser;
use super::answer::Answer;
use super::call::Call;

/// The kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Heartbeat,
    Stop,
}

/// Answers with how the session ended. A rule's reason is given once, to a heartbeat; a kill's reason every time.
/// Otherwise 410, or 404 if the session never existed.
pub(super) async fn over(
    call: &Call<'_>,
    at: At,
    application: &Application,
    account: &Account,
    session: StreamId,
) -> Answer {
    let table = &call.control.admission.table;
    let Ok(record) = table.record(account, call.now).await else { return undecided(call, at) };
    let remembered = record.tombstones().iter().find(|tombstone| tombstone.stream.id == session);
    let stream = record.find(session).or(remembered.map(|tombstone| &tombstone.stream));
    if stream.is_some_and(|stream| stream.application != application.id) {
        return Answer::FORBIDDEN;
    }
    if remembered.is_none() {
        // Idle or expired: the id itself proves that it was issued.
        let was = stream.is_some() || call.view(account).has_issued(&application.id, session);
        return if was { Answer::GONE } else { Answer::UNKNOWN };
    }
    let Ok(Some(Ended { stream, cause, was_told })) = table.ended(account, session, call.now).await else {
        // It was evicted by a stream that is not confirmed yet.
        return undecided(call, at);
    };
    let adviser = Adviser { view: call.view(account), languages: call.languages() };
    let (policy, rule, by) = match &cause {
        Cause::Stopped => return Answer::GONE,
        Cause::Killed { reason, by } => return adviser.killed(reason, by.as_deref(), stream.since()),
        Cause::Evicted { policy, rule, by } | Cause::Displaced { policy, rule, by } => {
            (policy.clone(), rule.clone(), Some(*by))
        }
        Cause::Refused { policy, rule } => (policy.clone(), rule.clone(), None),
    };
    if was_told || at == At::Stop {
        return Answer::GONE;
    }
    let ended = Ended { stream, cause, was_told };
    adviser.ended_by_policy(&ended, (&policy, &rule), by, &record, (application, account))
}

/// Fails open: an internal error never refuses a viewer.
fn undecided(call: &Call<'_>, at: At) -> Answer {
    match at {
        At::Heartbeat => call.accepted(),
        At::Stop => Answer::ACCEPTED,
    }
}
