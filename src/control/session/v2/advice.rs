//! Explains to the viewer why a stream may not start or has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;

use crate::config::Application;
use crate::control::session::view::{UNKNOWN, View, channel, device_name, metadata, rfc3339};
use crate::model::{Account, Attributes, Millis, StreamId};
use crate::policy::{Decision, Effect, Explanation, Limit, Mode, Violation};
use crate::streams::account::{AccountState, Plan, PolicyContext};
use crate::streams::{Ended, Refusal, Stream, Terminator};

use super::answer::Answer;
use super::result::{
    Advice, ConflictingSession, EvaluationResult, Obligation, RemoteTermination, RuleViolation, TerminatingSession,
};

/// Writes advice for one viewer.
pub(super) struct Adviser<'a> {
    /// The account.
    pub(super) view: View<'a>,
    /// The viewer's `Accept-Language`.
    pub(super) languages: Option<&'a str>,
}

impl Adviser<'_> {
    /// Why the policies refuse a start, or end a stream at its heartbeat.
    pub(super) fn refusal(&self, refusal: &Refusal) -> Answer {
        // Other refusals are not decided by rules.
        let Refusal::Policy { refused, holders } = refusal else { return Answer::GONE };
        let decision = &refused.decision;
        let refusing = decision.enforced().filter(|violation| violation.effect == Effect::Refuse);
        let result = EvaluationResult {
            associated_advice: refusing.map(|violation| self.violation(violation, holders)).collect(),
            ..EvaluationResult::default()
        };
        let lacks = decision.missing_attributes.iter().filter(|lack| lack.mode == Mode::Enforce);
        let mut missing: Vec<&str> = lacks.map(|lack| &*lack.attribute).collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            return lacking(&missing);
        }
        Answer::json(StatusCode::CONFLICT, &result)
    }

    /// Why a policy ended a stream. Evaluates the rule again with the account's current state; if it no longer applies,
    /// only the stream that replaced this one is named.
    pub(super) fn ended_by_policy(
        &self,
        ended: &Ended,
        (policy, rule): (&str, &str),
        by: Option<StreamId>,
        record: &AccountState,
        (application, account): (&Application, &Account),
    ) -> Answer {
        let settings = &self.view.settings.streams;
        let law = PolicyContext { policies: &application.policies, settings, idp: &account.idp };
        let plan = record.plan_resume(&ended.stream, &law, self.view.now);
        let decision: Option<&Decision> = match &plan {
            Plan::Refuse(refused) => Some(&refused.decision),
            Plan::Admit(decision, _) => Some(decision),
            Plan::Continue(_) | Plan::Terminated(..) => None,
        };
        let mut violations = decision.into_iter().flat_map(|decision| &decision.violations);
        let violation = violations.find(|violation| *violation.policy == *policy && *violation.rule == *rule);
        let advice = if let Some(violation) = violation {
            self.violation(violation, record.streams())
        } else {
            let explanation = record.explain(&plan, &law, self.view.now);
            let winner = record.streams().iter().filter(|stream| Some(stream.id) == by);
            self.remembered((policy, rule), winner, explanation.as_ref(), application)
        };
        let result = EvaluationResult { associated_advice: vec![advice], ..EvaluationResult::default() };
        Answer::json(StatusCode::CONFLICT, &result)
    }

    /// Who killed the stream: another viewer, or an operator.
    pub(super) fn killed(&self, reason: &str, by: Option<&Terminator>, at: Millis) -> Answer {
        let nothing = Attributes::default();
        let attributes = by.map_or(&nothing, |by| &by.attributes);
        let terminator = TerminatingSession {
            channel: channel(attributes).to_owned(),
            started_at: rfc3339(self.view.moment.to_wall(by.map_or(at, |by| by.started))),
            device_name: device_name(attributes).to_owned(),
            application_name: by.map_or(UNKNOWN.into(), |by| self.view.name_of(&by.application)).to_string(),
        };
        let advice = Advice::RemoteTermination(RemoteTermination { message: reason.to_owned(), terminator });
        let result = EvaluationResult { associated_advice: vec![advice], ..EvaluationResult::default() };
        Answer::json(StatusCode::GONE, &result)
    }

    fn violation(&self, violation: &Violation, streams: &[Arc<Stream>]) -> Advice {
        let mut conflicts: BTreeMap<String, Vec<ConflictingSession>> = BTreeMap::new();
        for conflict in &violation.conflicts {
            let Some(stream) = streams.iter().find(|stream| stream.id == conflict.stream) else { continue };
            let key = conflict.value.as_ref().map_or_else(|| stream.id.to_string(), ToString::to_string);
            conflicts.entry(key).or_default().push(self.session(stream));
        }
        Advice::RuleViolation(RuleViolation {
            message: violation.viewer_text(self.languages),
            policy_name: violation.policy.to_string(),
            rule_name: violation.rule.to_string(),
            attribute: violation.attribute.to_string(),
            threshold: violation.threshold,
            conflicts,
            scope: violation.scope.iter().map(|(name, _)| name.to_string()).collect(),
        })
    }

    /// A rule that ended a stream and no longer applies.
    fn remembered<'s>(
        &self,
        (policy, rule): (&str, &str),
        winner: impl Iterator<Item = &'s Arc<Stream>>,
        explanation: Option<&Explanation>,
        application: &Application,
    ) -> Advice {
        let policies = application.policies.iter().filter(|known| *known.name == *policy);
        let known = policies.flat_map(|known| &known.rules).find(|known| *known.name == *rule);
        let explained = explanation.into_iter().flat_map(|all| &all.policies).filter(|one| *one.policy == *policy);
        let explained = explained.flat_map(|one| &one.rules).find(|one| *one.rule == *rule);
        let fixed = known.and_then(|rule| if let Limit::Fixed(limit) = rule.limit { Some(limit) } else { None });
        let counted = explained.and_then(|rule| rule.count.as_ref());
        Advice::RuleViolation(RuleViolation {
            message: "Another stream of this account has replaced this one.".to_owned(),
            policy_name: policy.to_owned(),
            rule_name: rule.to_owned(),
            attribute: known.map_or("streamId", |rule| rule.count.attribute()).to_owned(),
            threshold: counted.map(|count| count.limit).or(fixed).unwrap_or(0),
            conflicts: winner.map(|stream| (stream.id.to_string(), vec![self.session(stream)])).collect(),
            scope: known.into_iter().flat_map(|rule| &rule.per).map(|field| field.name().to_owned()).collect(),
        })
    }

    fn session(&self, stream: &Stream) -> ConflictingSession {
        let attributes = stream.attributes();
        ConflictingSession {
            termination_code: self.view.termination_code(stream.id),
            metadata: metadata(stream),
            channel: channel(&attributes).to_owned(),
            started_at: rfc3339(self.view.moment.to_wall(stream.started)),
            device_name: device_name(&attributes).to_owned(),
            application_name: self.view.name_of(&stream.application).to_string(),
        }
    }
}

/// The start lacks these attributes.
pub(super) fn lacking(names: &[&str]) -> Answer {
    let result = EvaluationResult {
        obligations: vec![Obligation::refresh_metadata()],
        detail: Some(format!("attributes required by the policies are missing: {}", names.join(", "))),
        ..EvaluationResult::default()
    };
    Answer::json(StatusCode::BAD_REQUEST, &result)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn whom_an_operator_has_ended_reads_the_reason_and_no_stream() {
        let text = "applications: { tv: { stream_source: api } }\nsessions: { keys: [{ id: 1, secret: { file: session.key } }] }\n";
        let settings = crate::config::parse(text, std::path::Path::new("conf/demo/keys")).unwrap();
        let view = View::new(&settings, &Account::new("i", "s"), crate::model::Moment::default());
        let answer = Adviser { view, languages: None }.killed("Please call us", None, Millis(1_793_732_400_120));
        let response = answer.into_response(&HeaderMap::new(), &settings, Millis(0));
        assert_eq!(response.status(), StatusCode::GONE);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let nobody = json!({ "channel": "Unknown", "startedAt": "2026-11-03T19:00:00.120Z", "deviceName": "Unknown",
                             "applicationName": "Unknown" });
        let advice = json!({ "type": "remote-termination", "message": "Please call us", "terminator": nobody });
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "associatedAdvice": [advice], "obligations": [] }));
    }
}
