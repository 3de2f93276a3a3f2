//! Counts session API calls and failed operator logins. All series exist from the start.

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

/// Operation of a session API call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiOperation {
    /// Start a stream.
    Start,
    /// Send a heartbeat.
    Heartbeat,
    /// Stop a stream.
    Stop,
    /// Show one stream.
    Show,
    /// List an account's streams.
    List,
    /// Count an account's streams.
    Activity,
    /// List the required attributes.
    Metadata,
    /// CORS preflight.
    Preflight,
    /// Unknown operation.
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

/// Outcome of a session API call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiOutcome {
    /// Done.
    Accepted,
    /// Malformed, or an attribute is missing.
    Malformed,
    /// Unknown application.
    Unauthorized,
    /// Not allowed for the application, or blocked by an operator.
    Forbidden,
    /// Unknown session, application or route.
    NotFound,
    /// The route does not support the method.
    WrongMethod,
    /// The policies do not admit the stream, or have ended it.
    Refused,
    /// The session is over.
    Ended,
    /// Too many calls or too many streams.
    Throttled,
    /// The stream store is unavailable.
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

    /// The outcome for a status.
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

/// Why an operator API request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// No token was sent.
    NoToken,
    /// `Authorization` is not a bearer token, or is repeated.
    Malformed,
    /// The token is not configured.
    WrongToken,
    /// A read-only token, used for a change.
    WrongRole,
    /// The request comes, or may come, from a web page, and no tokens are configured.
    FromAPage,
}

impl LoginFailure {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::NoToken, Self::Malformed, Self::WrongToken, Self::WrongRole, Self::FromAPage];

    /// The label in metrics and logs.
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

pub(super) struct Calls {
    /// `[version][operation][outcome]`
    calls: Vec<IntCounter>,
    /// In the order of [`LoginFailure::ALL`].
    logins: Vec<IntCounter>,
}

impl Calls {
    pub(super) fn new(of: &Family<'_>) -> Result<Self, prometheus::Error> {
        let help = "Session API calls by version, operation and outcome.";
        let calls = of.counters("session_api_calls_total", help, &["version", "operation", "outcome"])?;
        let help = "Operator API requests refused for failed authorization, by reason.";
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
