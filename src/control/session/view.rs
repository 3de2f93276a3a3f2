//! Streams as visible to applications, whether declared or observed by traffic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::config::{Application, Settings};
use crate::model::{Account, AccountKey, ApplicationId, Attributes, Millis, Moment, StreamId};
use crate::streams::Stream;
use crate::streams::account::AccountState;

/// Placeholder for unknown values.
pub(super) const UNKNOWN: &str = "Unknown";

/// One account, in one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'s> {
    /// The configuration in force.
    pub(super) settings: &'s Settings,
    /// The account.
    pub(super) account: AccountKey,
    /// Monotonic time.
    pub(super) now: Millis,
    /// Monotonic and wall-clock time.
    pub(super) moment: Moment,
}

impl<'s> View<'s> {
    pub(super) fn new(settings: &'s Settings, account: &Account, moment: Moment) -> Self {
        Self { settings, account: account.key(), now: moment.now, moment }
    }

    /// The streams that hold a slot, oldest first.
    pub(super) fn running<'r>(&self, record: &'r AccountState) -> Vec<&'r Arc<Stream>> {
        let holds = |stream: &&Arc<Stream>| stream.holds(&self.settings.streams, self.now);
        let mut running: Vec<_> = record.streams().iter().filter(holds).collect();
        // Stable sort: for equal times, the record's order wins.
        running.sort_by_key(|stream| stream.started);
        running
    }

    /// True if `caller` may see streams of that application: same tenant, or a policy in common. A removed application
    /// is visible only to itself.
    pub(super) fn sees(&self, caller: &Application, other: &ApplicationId) -> bool {
        let shares = |other: &Arc<Application>| {
            let carries = |name: &str| other.policies.iter().any(|policy| *policy.name == *name);
            other.tenant == caller.tenant || caller.policies.iter().any(|policy| carries(&policy.name))
        };
        caller.id == *other || self.settings.applications.get(other).is_some_and(shares)
    }

    /// Display name of an application; its id if it was removed.
    pub(super) fn name_of(&self, application: &ApplicationId) -> Arc<str> {
        let known = self.settings.applications.get(application);
        known.map_or_else(|| application.0.clone(), |application| application.name.clone())
    }

    /// The code with which a viewer of the account may kill the stream.
    pub(super) fn termination_code(&self, stream: StreamId) -> String {
        self.settings.keys.termination_code(&self.account, stream)
    }

    pub(super) fn is_termination_code(&self, stream: StreamId, code: &str) -> bool {
        self.settings.keys.is_termination_code(&self.account, stream, code)
    }

    /// True if the stream's id was issued to that application for this account.
    pub(super) fn has_issued(&self, application: &ApplicationId, stream: StreamId) -> bool {
        self.settings.keys.has_issued(application, &self.account, stream)
    }
}

/// The stream's attributes. Device and content type from token and manifest are included unless the application set
/// them.
pub(super) fn metadata(stream: &Stream) -> BTreeMap<String, String> {
    let attributes = stream.attributes();
    let own = [("deviceId", stream.device.name()), ("contentType", stream.content())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    own.chain(attributes.iter()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The channel, if known.
pub(super) fn channel(attributes: &Attributes) -> &str {
    attributes.get("channel").unwrap_or(UNKNOWN)
}

/// The device's display name, if known.
pub(super) fn device_name(attributes: &Attributes) -> &str {
    attributes.get("deviceName").unwrap_or(UNKNOWN)
}

/// A time in UTC with milliseconds (RFC 3339).
pub(super) fn rfc3339(time: Millis) -> String {
    // A time after the year 9999 means a broken clock.
    let bounded = Duration::from_millis(time.0.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + bounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds() {
        assert_eq!(rfc3339(Millis(1_793_732_400_120)), "2026-11-03T19:00:00.120Z");
        assert_eq!(rfc3339(Millis(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_application_sees_its_tenants_streams_and_those_that_its_policies_count() {
        let text = "applications:\n\
             \x20 demo: { stream_source: api, tenant: acme, policies: [cap3] }\n\
             \x20 twin: { stream_source: api, tenant: acme }\n\
             \x20 guest: { stream_source: api, tenant: other, policies: [cap3, more] }\n\
             \x20 solo: { stream_source: api, tenant: other, policies: [more] }\n\
             policies:\n  cap3: { rules: [{ name: a, limit: 3 }] }\n  more: { rules: [{ name: a, limit: 9 }] }\n\
             sessions:\n  keys: [{ id: 1, secret: { file: session.key } }]\n";
        let settings = crate::config::parse(text, std::path::Path::new("conf/demo/keys"))
            .unwrap_or_else(|report| panic!("{report}"));
        let view = View::new(&settings, &Account::new("i", "s"), Moment::default());
        for (caller, seen) in [
            ("demo", ["demo", "twin", "guest"].as_slice()),
            ("twin", &["demo", "twin"]),
            ("guest", &["demo", "guest", "solo"]),
            ("solo", &["guest", "solo"]),
        ] {
            for other in ["demo", "twin", "guest", "solo", "gone"] {
                let sees = view.sees(&settings.applications[caller], &ApplicationId(other.into()));
                assert_eq!(sees, seen.contains(&other), "{caller} and {other}");
            }
        }
    }
}
