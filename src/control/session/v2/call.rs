//! One call: its caller, its account, its rate limit.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::config::{Application, Settings};
use crate::control::Control;
use crate::control::session::account::{self, application, segment};
use crate::control::session::malformed::Malformed;
use crate::control::session::throttle::Counted;
use crate::control::session::view::View;
use crate::model::{Account, AccountKey, Attributes, Device, Millis, Moment, StreamId};
use crate::streams::{AdmissionRequest, Refusal};
use crate::telemetry::{Refused, Verdict};

use super::answer::Answer;
use super::result::EvaluationResult;

/// Maximum characters of credentials: twice the longest id of an application.
const MAX_CREDENTIALS: usize = 512;

/// A call, and the configuration in force while it is answered.
pub(super) struct Call<'c> {
    pub(super) control: &'c Control,
    pub(super) head: Parts,
    pub(super) settings: Arc<Settings>,
    /// The clock reading used for the decision.
    pub(super) now: Millis,
    /// The same reading in monotonic and wall-clock time, for `Date`.
    pub(super) moment: Moment,
}

impl<'c> Call<'c> {
    pub(super) fn new(control: &'c Control, head: Parts) -> Self {
        let moment = control.admission.clock.moment();
        Self { control, head, settings: control.settings(), now: moment.now, moment }
    }

    pub(super) fn answer(&self, answer: Result<Answer, Answer>) -> Response {
        let answer = answer.unwrap_or_else(|refusal| refusal);
        answer.into_response(&self.head.headers, &self.settings, self.moment.wall)
    }

    /// The caller: the user of Basic credentials (RFC 7617) with an empty password.
    pub(super) fn application(&self) -> Result<&Arc<Application>, Answer> {
        self.credentials().ok_or(Answer::UNAUTHORIZED)
    }

    fn credentials(&self) -> Option<&Arc<Application>> {
        let header = self.head.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = header.split_once(' ')?;
        let encoded = encoded.trim();
        if !scheme.eq_ignore_ascii_case("Basic") || encoded.len() > MAX_CREDENTIALS {
            return None;
        }
        let mut bytes = [0; MAX_CREDENTIALS];
        let length = STANDARD.decode_slice(encoded, &mut bytes).ok()?;
        let user = std::str::from_utf8(bytes.get(..length)?).ok()?.strip_suffix(':')?;
        application(&self.settings, user)
    }

    /// The account: the two path segments after `sessions` or `runningStreams`.
    pub(super) fn account(&self, caller: &Application) -> Result<Account, Answer> {
        let path = self.head.uri.path();
        let account = account::account(segment(path, 3), segment(path, 4)).map_err(|error| self.malformed(error))?;
        if caller.speaks_for(&account.idp) { Ok(account) } else { Err(Answer::FORBIDDEN) }
    }

    /// The session: the segment after those. A segment that is not an id was never issued.
    pub(super) fn session(&self) -> Result<StreamId, Answer> {
        segment(self.head.uri.path(), 5).parse().map_err(|_| Answer::UNKNOWN)
    }

    /// The account as visible to the caller.
    pub(super) fn view(&self, account: &Account) -> View<'_> {
        View::new(&self.settings, account, self.moment)
    }

    /// Applies the rate limit.
    pub(super) fn count(&self, counted: Counted) -> Result<(), Answer> {
        let counted = self.control.throttle.count(counted, &self.settings.session_api, self.moment.wall);
        counted.map_err(Answer::throttled)
    }

    /// Refuses a blocked account, session, or device as named by the application.
    pub(super) fn not_blocked(
        &self,
        account: &AccountKey,
        attributes: &Attributes,
        session: StreamId,
    ) -> Result<(), Answer> {
        let blocks = self.control.blocks();
        if blocks.is_empty() {
            return Ok(());
        }
        let device = attributes.get("deviceId").map_or(Device::Hint(0), |name| Device::Named(name.into()));
        match blocks.blocked(account, &device, None, session, self.moment.wall) {
            Some(_) => Err(Answer::FORBIDDEN),
            None => Ok(()),
        }
    }

    /// Stores a refusal for operators and adds its id to the answer.
    pub(super) fn remember(&self, refusal: &Refusal, candidate: &AdmissionRequest, answer: Answer) -> Answer {
        let Refusal::Policy { refused, .. } = refusal else { return answer };
        let (id, decisions) = (self.control.admission.next_request(), &self.control.admission.decisions);
        decisions.explain(id, &candidate.account.key(), &refused.explanation);
        decisions.refused(Refused {
            verdict: Verdict::Refused,
            id,
            at: self.now,
            reason: if refused.decision.violations.is_empty() { "attribute_missing" } else { "limit" },
            application: Some(candidate.application.clone()),
            account: Some(candidate.account.clone()),
            stream: Some(candidate.stream),
            device: Some(candidate.device.clone()),
            asset: Some(candidate.asset.clone()),
            problem: Bytes::copy_from_slice(answer.body()),
        });
        answer.refusal(id)
    }

    /// Accepts the call, with the deadline for the next heartbeat.
    pub(super) fn accepted(&self) -> Answer {
        Answer::ACCEPTED.expires(self.moment.wall + self.settings.streams.interval)
    }

    /// Answers 400.
    pub(super) fn malformed(&self, error: Malformed) -> Answer {
        tracing::debug!(%error, path = self.head.uri.path(), "malformed session API call");
        let Malformed(detail) = error;
        let result = EvaluationResult { detail: Some(detail.to_owned()), ..EvaluationResult::default() };
        Answer::json(StatusCode::BAD_REQUEST, &result)
    }

    /// The viewer's `Accept-Language`.
    pub(super) fn languages(&self) -> Option<&str> {
        self.head.headers.get(ACCEPT_LANGUAGE)?.to_str().ok()
    }
}
