//! Re-evaluation of streams that play, and the record of refusals.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;

use super::Admission;
use super::decision::Subject;
use super::problem::Problem;
use super::request_view::RequestView;
use crate::config::{Application, Settings};
use crate::model::{Account, AccountKey, Attributes};
use crate::streams::account::Refused;
use crate::streams::{Refusal, Stream};
use crate::telemetry::{self, Outcome, Verdict};

/// Minimum time between two logged explanations for one account: refused players retry again and again.
const AGAIN: Duration = Duration::from_secs(10);
/// Maximum accounts remembered.
const ACCOUNTS: u64 = 10_000;

/// The accounts with a recently logged explanation.
pub struct RecentExplanations(Cache<AccountKey, ()>);

impl Default for RecentExplanations {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(ACCOUNTS).time_to_live(AGAIN).build())
    }
}

impl Admission {
    /// Updates the attributes of a stream from a token, and re-evaluates the stream if they changed.
    pub(super) async fn update_attributes(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        (attributes, asset): (&Attributes, &str),
        application: &Application,
        view: &RequestView<'_>,
    ) -> Result<(), Box<Problem>> {
        let learned = stream.attribute_update(attributes, asset);
        for name in learned.frozen {
            self.metrics.immutable_attribute_changes.with_label_values(&[application.id.as_str(), name]).inc();
        }
        if learned.attributes.is_some() && stream.may_update_attributes(view.now) {
            return self.reevaluate(account, stream, Some((attributes, asset)), application, view).await;
        }
        Ok(())
    }

    /// Re-evaluates a stream that plays. If that terminates it, this refusal has the full explanation; later ones only
    /// say that the stream ended.
    pub(super) async fn reevaluate(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        attributes: Option<(&Attributes, &str)>,
        application: &Application,
        view: &RequestView<'_>,
    ) -> Result<(), Box<Problem>> {
        let windows = &view.settings().streams;
        let judged = self.table.judge(account, stream.id, attributes, &application.policies, windows, view.now);
        match judged.await {
            Ok(None) => Ok(()),
            Ok(Some(refusal)) => {
                self.record_refusal(&refusal, &account.key(), view);
                Err(Problem::refused(&refusal))
            }
            Err(_) => {
                tracing::warn!(stream = %stream.id, "store unavailable; stream is evaluated at its next request");
                Ok(())
            }
        }
    }

    /// Handles media requests of a stream that took over from another, or was taken over. If both turn out to play, the
    /// policies decide between them. If they refuse this one, the answer has the full explanation.
    pub(super) async fn resolve_takeover(
        &self,
        account: &Account,
        stream: &Arc<Stream>,
        application: &Application,
        view: &RequestView<'_>,
    ) -> Result<(), Box<Problem>> {
        let windows = &view.settings().streams;
        match self.table.verify(account, stream, &application.policies, windows, view.now).await {
            Ok(Some(surplus)) => {
                self.explain_refusal(&surplus.refused, &account.key(), view);
                Err(Problem::surplus(&surplus))
            }
            // The stream continues. If the store did not answer, the next media request retries.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Records the explanation of a refusal under the id that the viewer gets.
    pub(super) fn record_refusal(&self, refusal: &Refusal, account: &AccountKey, view: &RequestView<'_>) {
        if let Refusal::Policy { refused, .. } = refusal {
            self.explain_refusal(refused, account, view);
        }
    }

    fn explain_refusal(&self, refused: &Refused, account: &AccountKey, view: &RequestView<'_>) {
        self.decisions.explain(view.arrival.id, account, &refused.explanation);
        if self.may_log_explanation(account, view.settings())
            && let Ok(explanation) = serde_json::to_string(&refused.explanation)
        {
            self.log_explanation(&explanation, view.arrival.id, account, view.settings());
        }
    }

    /// True if explanations are logged, and none was logged recently for this account.
    fn may_log_explanation(&self, account: &AccountKey, settings: &Settings) -> bool {
        let RecentExplanations(explained) = &self.explained;
        settings.log.decisions && tracing::enabled!(tracing::Level::INFO) && !explained.contains_key(account)
    }

    fn log_explanation(&self, explanation: &str, id: u64, account: &AccountKey, settings: &Settings) {
        if self.may_log_explanation(account, settings) {
            let RecentExplanations(explained) = &self.explained;
            explained.insert(*account, ());
            tracing::info!(refusal = format!("{id:016x}"), explanation, "refused");
        }
    }

    /// Records a refusal for the decision log, with the document that the viewer gets.
    pub(crate) fn remember(&self, problem: &Problem, told: &Bytes, id: u64, settings: &Settings, subject: &Subject) {
        // An allowed preflight has no body.
        if told.is_empty() {
            return;
        }
        let session = subject.play.as_ref().map(|play| &play.session);
        if problem.outcome == Outcome::Terminated
            && let Some(session) = session
            && let Some(explanation) = self.decisions.explain_end(id, session.stream)
        {
            self.log_explanation(&explanation, id, &session.account.key(), settings);
        }
        self.decisions.refused(telemetry::Refused {
            verdict: Verdict::Refused,
            id,
            at: self.clock.now(),
            reason: problem.reason,
            application: subject.application.as_ref().map(|application| application.id.clone()),
            account: session.map(|session| session.account.clone()),
            stream: session.map(|session| session.stream),
            device: session.map(|session| session.device.clone()),
            asset: session.map(|session| session.asset.clone()),
            problem: told.clone(),
        });
    }
}
