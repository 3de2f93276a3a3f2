//! The access log: one line per request, without personal data or secrets.

use std::fmt;
use std::net::IpAddr;

use super::Outcome;
use crate::media::Kind;
use crate::model::StreamId;

/// One request as logged.
///
/// `path` is the path at the origin, without play session and query, which may hold tokens. `account` is a keyed hash.
/// `door` is present if the request did not come through the gateway.
#[allow(missing_docs)] // field names are those of the log
pub struct Access<'a> {
    pub request: u64,
    pub client: Option<IpAddr>,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub bytes: usize,
    pub millis: u64,
    pub kind: Kind,
    pub outcome: Outcome,
    pub reason: &'a str,
    pub application: &'a str,
    pub account: &'a str,
    pub stream: Option<StreamId>,
    pub server: Option<&'a dyn fmt::Display>,
    pub door: Option<&'static str>,
}

impl Access<'_> {
    /// Writes the line, if the access log is on.
    pub fn log(&self) {
        tracing::info!(
            target: "access",
            request = format_args!("{:016x}", self.request),
            client = self.client.map(tracing::field::display),
            method = self.method,
            host = self.host,
            path = self.path,
            status = self.status,
            bytes = self.bytes,
            ms = self.millis,
            kind = self.kind.label(),
            outcome = self.outcome.label(),
            reason = (!self.reason.is_empty()).then_some(self.reason),
            application = self.application,
            account = (!self.account.is_empty()).then_some(self.account),
            stream = self.stream.map(tracing::field::display),
            server = self.server.map(tracing::field::display),
            door = self.door,
        );
    }
}
