//! Forward authentication: decisions for other proxies about requests that they serve themselves.
//!
//! The call is the heartbeat. Proxies understand three answers: 200, 401 and 403.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Response, Uri};

use super::decision::{Decided, Decision, Permit, Subject, pass_outcome};
use super::problem::Problem;
use super::request_view::{Arrival, ClientInfo, Ingress, RequestView, host, logged_path, strip_path_token};
use super::runtime_config::RuntimeConfig;
use super::{Admission, annotate, forwarded};
use crate::identity::Renewed;
use crate::telemetry::{Access, Outcome};

/// An answer, and its outcome for the log.
struct Answered {
    response: Response<Bytes>,
    outcome: Outcome,
    reason: &'static str,
}

impl Admission {
    /// Answers a forward-auth call, whose head describes a viewer's request.
    pub(crate) async fn authorize(&self, config: Arc<RuntimeConfig>, mut parts: Parts) -> Response<Bytes> {
        let (id, moment, begun) = (self.next_request(), self.clock.moment(), Instant::now());
        let original = forwarded::original(&mut parts, config.settings.trusted_proxies.as_ref());
        let client = *original.as_ref().unwrap_or(&ClientInfo::default());
        let arrival = Arrival { id, ingress: Ingress::ForwardAuth, moment, client };
        let stripped = original.is_ok().then(|| strip_path_token(&config.settings, &parts)).flatten();
        let decided = match original {
            Ok(_) => self.decide(&RequestView::new(arrival, &config, &parts, stripped.as_deref())).await,
            Err(problem) => {
                // The rest of the path may contain a token, which must not be logged.
                parts.uri = Uri::from_static(forwarded::PATH);
                Decided { decision: Decision::Refuse(problem), subject: Subject::default() }
            }
        };
        let Decided { decision, mut subject } = decided;
        let answered = self.answer(decision, &mut subject, &parts, &config, id);
        let took = begun.elapsed();
        self.metrics.answered(answered.outcome, took);
        self.metrics.request(answered.outcome, subject.kind);
        self.metrics.authz(answered.outcome);
        if config.settings.log.access {
            let prefix_length = RequestView::new(arrival, &config, &parts, None).prefix_length;
            let path = logged_path(
                &config.settings,
                subject.application.is_some(),
                stripped.as_deref(),
                prefix_length,
                &parts.uri,
            );
            log_access(&answered, &arrival, &subject, &parts, &path, &config, took);
        }
        answered.response
    }

    /// Turns a decision into the answer. Drops the permit: the end of the call is the last heartbeat, and counts before
    /// the next call.
    fn answer(
        &self,
        decision: Decision,
        subject: &mut Subject,
        parts: &Parts,
        config: &RuntimeConfig,
        id: u64,
    ) -> Answered {
        let (permit, reason) = match decision {
            Decision::Admit(permit) => (Some(permit), ""),
            Decision::Pass(reason) => (None, reason.label()),
            Decision::Refuse(problem) if problem.is_preflight() => {
                let response = passed(subject, None, config);
                return Answered { response, outcome: problem.outcome, reason: problem.reason };
            }
            Decision::Refuse(problem) => {
                let (outcome, reason) = (problem.outcome, problem.reason);
                let problem = problem.for_proxy();
                let response = refused(&problem, parts, id);
                self.remember(&problem, response.body(), id, &config.settings, subject);
                return Answered { response, outcome, reason };
            }
        };
        let outcome = pass_outcome(permit.as_ref());
        Answered { response: passed(subject, permit.as_ref(), config), outcome, reason }
    }
}

fn passed(subject: &mut Subject, permit: Option<&Permit>, config: &RuntimeConfig) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(annotate::passed(subject, permit, &config.settings.keys));
    if let Some(Renewed { name, value }) = subject.renewed.take() {
        headers.append(name, value);
    }
    response
}

fn refused(problem: &Problem, parts: &Parts, id: u64) -> Response<Bytes> {
    let (fields, body) = problem.render_for_proxy(id, &parts.headers);
    let mut response = Response::new(body);
    *response.status_mut() = problem.status();
    response.headers_mut().extend(fields);
    response
}

fn log_access(
    answered: &Answered,
    arrival: &Arrival,
    subject: &Subject,
    parts: &Parts,
    path: &str,
    config: &RuntimeConfig,
    took: Duration,
) {
    let account = subject.play.as_ref().map(|play| play.account_label(&config.settings.keys));
    Access {
        request: arrival.id,
        client: arrival.client.address,
        method: parts.method.as_str(),
        host: host(parts).unwrap_or_default(),
        path,
        status: answered.response.status().as_u16(),
        bytes: answered.response.body().len(),
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        kind: subject.kind,
        outcome: answered.outcome,
        reason: answered.reason,
        application: subject.application.as_ref().map_or("", |application| application.id.as_str()),
        account: account.unwrap_or_default(),
        stream: subject.play.as_ref().map(|play| play.session.stream),
        server: None,
        door: Some("authz"),
    }
    .log();
}
