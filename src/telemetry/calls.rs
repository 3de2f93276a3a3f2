//! Calls of the session API and failed logins of operators, counted. Every series is there from the start.

use prometheus::IntCounter;

use super::family::Family;

/// The published versions of the session API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiVersion {
    /// Applications decide.
    V1,
    /// The gateway decides.
    V2,
}

impl ApiVersion {
    const ALL: [Self; 2] = [Self::V1, Self::V2];

    fn label(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// What a call of the session API asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiOperation {
    /// To start a stream.
    Start,
    /// To go on with it.
    Heartbeat,
    /// To stop it.
    Stop,
    /// To show one stream.
    Show,
    /// To list an account's streams.
    List,
    /// To count them.
    Activity,
    /// Which attributes are required.
    Metadata,
    /// What a page in a browser may ask.
    Preflight,
    /// Nothing that there is.
    Other,
}

impl ApiOperation {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Heartbeat,
        Self::Stop,
        Self::Show,
        Self::List,
        Self::Activity,
        Self::Metadata,
        Self::Preflight,
        Self::Other,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Heartbeat => "heartbeat",
            Self::Stop => "stop",
            Self::Show => "show",
            Self::List => "list",
            Self::Activity => "activity",
            Self::Metadata => "metadata",
            Self::Preflight => "preflight",
            Self::Other => "other",
        }
    }
}

/// How a call of the session API was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiOutcome {
    /// As it was asked.
    Accepted,
    /// It cannot be read, or an attribute is missing.
    Malformed,
    /// No application of that id declares streams.
    Unauthorized,
    /// The application may not, or an operator has blocked it.
    Forbidden,
    /// There is no such session, application or page.
    NotFound,
    /// The page does not know the method.
    WrongMethod,
    /// Policies do not admit the stream, or have ended it.
    Refused,
    /// The session is over.
    Ended,
    /// There were too many calls, or there are too many streams.
    Throttled,
    /// The store is away.
    Unavailable,
    /// Anything else.
    Failed,
}

impl ApiOutcome {
    const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::WrongMethod,
        Self::Refused,
        Self::Ended,
        Self::Throttled,
        Self::Unavailable,
        Self::Failed,
    ];

    /// What an answer of that status is.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Accepted,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::WrongMethod,
            409 => Self::Refused,
            410 => Self::Ended,
            429 => Self::Throttled,
            400..=499 => Self::Malformed,
            503 => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::WrongMethod => "wrong_method",
            Self::Refused => "refused",
            Self::Ended => "ended",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }
}

/// Why somebody may not use the operator's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// Nothing was sent that proves who asks.
    NoToken,
    /// `Authorization` is no bearer token, or stands there several times.
    Malformed,
    /// No token of the configuration.
    WrongToken,
    /// A token that may look, for something that is done.
    WrongRole,
    /// A page in a browser asks, or may ask, where no token is configured.
    FromAPage,
}

impl LoginFailure {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::NoToken, Self::Malformed, Self::WrongToken, Self::WrongRole, Self::FromAPage];

    /// The word in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Malformed => "malformed",
            Self::WrongToken => "wrong_token",
            Self::WrongRole => "wrong_role",
            Self::FromAPage => "from_a_page",
        }
    }
}

/// Both kinds of counters.
pub(super) struct Calls {
    /// `[version][operation][outcome]`
    calls: Vec<IntCounter>,
    /// In the order of [`LoginFailure::ALL`].
    logins: Vec<IntCounter>,
}

impl Calls {
    pub(super) fn new(of: &Family<'_>) -> Result<Self, prometheus::Error> {
        let help = "Calls of the session API, by version, by what was asked for, and by how they were answered.";
        let calls = of.counters("session_api_calls_total", help, &["version", "operation", "outcome"])?;
        let help = "Requests for the operator's API that were not let in, by reason.";
        let logins = of.counters("operator_login_failures_total", help, &["reason"])?;
        let all = ApiVersion::ALL.into_iter().flat_map(|version| {
            ApiOperation::ALL.into_iter().flat_map(move |operation| {
                ApiOutcome::ALL.map(|outcome| [version.label(), operation.label(), outcome.label()])
            })
        });
        Ok(Self {
            calls: all.map(|labels| calls.with_label_values(&labels)).collect(),
            logins: LoginFailure::ALL.iter().map(|reason| logins.with_label_values(&[reason.label()])).collect(),
        })
    }

    pub(super) fn call(&self, version: ApiVersion, operation: ApiOperation, outcome: ApiOutcome) {
        let at = (version as usize * ApiOperation::ALL.len() + operation as usize) * ApiOutcome::ALL.len();
        if let Some(counter) = self.calls.get(at + outcome as usize) {
            counter.inc();
        }
    }

    pub(super) fn login_failure(&self, reason: LoginFailure) {
        if let Some(counter) = self.logins.get(reason as usize) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn every_series_is_there_from_the_start_and_is_counted_by_itself() {
        let metrics = Metrics::new().unwrap();
        let of = |text: &str, end: &str| {
            let ours = ["streamgate_session_api_calls_total{", "streamgate_operator_login_failures_total{"];
            text.lines().filter(|line| ours.iter().any(|name| line.starts_with(name)) && line.ends_with(end)).count()
        };
        let all = ApiVersion::ALL.len() * ApiOperation::ALL.len() * ApiOutcome::ALL.len() + LoginFailure::ALL.len();
        assert_eq!(of(&metrics.render(), " 0"), all);
        for version in ApiVersion::ALL {
            for operation in ApiOperation::ALL {
                for outcome in ApiOutcome::ALL {
                    metrics.api_call(version, operation, outcome);
                }
            }
        }
        for reason in LoginFailure::ALL {
            metrics.login_failure(reason);
        }
        assert_eq!(of(&metrics.render(), " 1"), all);
        metrics.api_call(ApiVersion::V2, ApiOperation::Stop, ApiOutcome::Ended);
        metrics.login_failure(LoginFailure::WrongRole);
        let text = metrics.render();
        for line in [
            "streamgate_session_api_calls_total{operation=\"stop\",outcome=\"ended\",version=\"v2\"} 2",
            "streamgate_operator_login_failures_total{reason=\"wrong_role\"} 2",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}");
        }
    }
}
