//! Admission of starts and returning streams by the stream table.

use std::sync::Arc;

use super::Admission;
use super::decide::Verdict;
use super::decision::{Decision, PassReason, Permit, Slot, Subject};
use super::in_flight::InFlightGuard;
use super::play_context::PlayContext;
use super::problem::Problem;
use super::request_view::RequestView;
use crate::config::{Application, Settings};
use crate::identity::{PlaySession, Viewer};
use crate::media;
use crate::model::{ClientEvidence, Moment, StreamId};
use crate::streams::store::Unavailable;
use crate::streams::{AdmissionOutcome, AdmissionRequest, Signal, Stream, media_hash};

/// A request for a slot.
struct Attempt {
    signal: Signal,
    /// True for an entry manifest.
    is_start: bool,
}

impl Admission {
    /// Admits a start with a token. `is_carried`: every later request names the stream by itself, so no play session is
    /// minted.
    pub(super) async fn admit_start(
        &self,
        session: &PlaySession,
        viewer: &Viewer,
        is_carried: bool,
        view: &RequestView<'_>,
        application: &Arc<Application>,
        subject: &mut Subject,
    ) -> Verdict {
        let request = admission_request(session, view.evidence(viewer.fingerprint, viewer.issued));
        let (settings, moment) = (view.settings(), view.arrival.moment);
        let admission = self.table.start(&request, &application.policies, &settings.streams, view.now);
        let play = |stream: Option<Arc<Stream>>| {
            let session = continued(session.clone(), stream.as_deref());
            let sealed = (!is_carried).then(|| seal(&session, settings, moment));
            PlayContext::new(sealed.as_deref(), session, stream)
        };
        let attempt = Attempt { signal: Signal::Presence, is_start: true };
        let decision = self.permit(admission, attempt, view, subject, play).await?;
        if let Decision::Admit(Permit { slot: Slot::Held, .. }) = decision
            && let Some(stream) = subject.play.as_ref().and_then(|play| play.stream.clone())
        {
            // It continues an existing stream, and its token may have new attributes.
            let told = (&viewer.attributes, &*request.asset);
            self.update_attributes(&viewer.account, &stream, told, application, view).await?;
        }
        Ok(decision)
    }

    /// Answers a HEAD or a prefetch like a start, without taking a slot. A prefetched manifest may be played later, so
    /// it carries a play session that competes for a slot when media is requested.
    pub(super) async fn consider(
        &self,
        session: &PlaySession,
        viewer: &Viewer,
        is_carried: bool,
        view: &RequestView<'_>,
        application: &Application,
        subject: &mut Subject,
    ) -> Verdict {
        let settings = view.settings();
        let request = admission_request(session, view.evidence(viewer.fingerprint, viewer.issued));
        let answer = self.table.consider(&request, &application.policies, &settings.streams, view.now).await;
        if let Ok(Some(refusal)) = answer {
            self.record_refusal(&refusal, &viewer.account.key(), view);
            return Err(Problem::refused(&refusal));
        }
        let sealed = (!is_carried).then(|| seal(session, settings, view.arrival.moment));
        subject.play = Some(Arc::new(PlayContext::new(sealed.as_deref(), session.clone(), None)));
        Ok(Decision::Pass(PassReason::Uncounted))
    }

    /// Admits a start with a play session that has not begun: an origin redirected to this manifest.
    pub(super) async fn start_redirected(
        &self,
        play: &PlayContext,
        view: &RequestView<'_>,
        application: &Application,
        subject: &mut Subject,
    ) -> Verdict {
        let (settings, moment) = (view.settings(), view.arrival.moment);
        let (asset, stream) = (PlaySession::asset_name(view.path), StreamId(self.entropy.bytes()));
        let session = PlaySession { stream, asset, started: view.now, ..play.session.clone() };
        // A play session that has not begun serves as a token: the same one means the same client.
        let token = media_hash(&[play.sealed().unwrap_or_default().as_bytes()]) | 1;
        let request = admission_request(&session, view.evidence(token, 0));
        let admission = self.table.start(&request, &application.policies, &settings.streams, view.now);
        let attempt = Attempt { signal: Signal::Presence, is_start: true };
        let play = |stream: Option<Arc<Stream>>| {
            let session = continued(session, stream.as_deref());
            PlayContext::new(Some(&seal(&session, settings, moment)), session, stream)
        };
        self.permit(admission, attempt, view, subject, play).await
    }

    /// Handles a heartbeat of a stream that holds no slot here: it competes for one.
    pub(super) async fn resume(
        &self,
        play: &PlayContext,
        signal: Signal,
        view: &RequestView<'_>,
        application: &Application,
        subject: &mut Subject,
    ) -> Verdict {
        // The start time in a shared play session is the first client's, not the second's.
        let is_sealed = play.sealed().is_some() && subject.shared_play.is_none();
        let request = admission_request(&play.session, view.evidence(0, 0));
        let (policies, windows) = (&application.policies, &view.settings().streams);
        let admission = async {
            if is_sealed {
                self.table.resume(&request, policies, windows, view.now).await
            } else {
                self.table.resume_unsealed(&request, policies, windows, view.now).await
            }
        };
        let attempt = Attempt { signal, is_start: false };
        let resumed = |stream| PlayContext::new(play.sealed(), play.session.clone(), stream);
        self.permit(admission, attempt, view, subject, resumed).await
    }

    /// Awaits an admission and turns it into a permit or a refusal. `play` creates the context of the request's play.
    async fn permit(
        &self,
        admission: impl Future<Output = Result<AdmissionOutcome, Unavailable>>,
        attempt: Attempt,
        view: &RequestView<'_>,
        subject: &mut Subject,
        play: impl FnOnce(Option<Arc<Stream>>) -> PlayContext,
    ) -> Verdict {
        let timer = self.metrics.decision.start_timer();
        let admission = admission.await;
        timer.observe_duration();
        match admission {
            Ok(AdmissionOutcome::Admitted { stream, created }) => {
                let Attempt { signal, is_start } = attempt;
                if signal == Signal::Playback {
                    stream.heartbeat(signal, view.now);
                }
                let slot = match (created, is_start) {
                    (true, true) => Slot::Started,
                    (true, false) if view.prefix_length == 0 => Slot::Taken,
                    _ => Slot::Held,
                };
                self.count_split(subject, created, "split");
                let in_flight = Some(InFlightGuard::new(stream.clone(), signal, &self.clock));
                let annotations = stream.annotations();
                subject.play = Some(Arc::new(play(Some(stream))));
                Ok(Decision::Admit(Permit { slot, in_flight, annotations }))
            }
            Ok(AdmissionOutcome::Refused(refusal)) => {
                self.count_split(subject, true, "refused");
                let play = play(None);
                self.record_refusal(&refusal, &play.session.account.key(), view);
                subject.play = Some(Arc::new(play));
                Err(Problem::refused(&refusal))
            }
            // The table counts the error.
            Err(_) => {
                subject.play = Some(Arc::new(play(None)));
                Ok(Decision::Pass(PassReason::Undecided))
            }
        }
    }

    /// Handles a redirect by the origin. A redirect is not a play: the slot that the request took is given back, and
    /// the start happens at the redirect's target. `Location` then carries a play session that has not begun.
    ///
    /// Media with a play session is a heartbeat wherever it is fetched from. So is media that another host serves
    /// (`elsewhere`), because no other request for it arrives here.
    pub(crate) async fn redirected(
        &self,
        elsewhere: bool,
        settings: &Settings,
        moment: Moment,
        subject: &mut Subject,
        permit: &mut Option<Permit>,
    ) {
        let slot = permit.as_ref().map_or(Slot::Held, |permit| permit.slot);
        let plays = elsewhere && subject.kind.signal() == media::Signal::Playback;
        if slot == Slot::Held || plays {
            return;
        }
        let started = if slot == Slot::Started { subject.play.clone() } else { None };
        self.give_back(subject, permit).await;
        if let Some(play) = started.filter(|play| play.sealed().is_some()) {
            let session = play.session.not_begun(StreamId(self.entropy.bytes()));
            let sealed = seal(&session, settings, moment);
            subject.play = Some(Arc::new(PlayContext::new(Some(&sealed), session, None)));
        }
    }

    /// Gives back the slot that a request took, because the origin did not serve the request.
    pub(crate) async fn give_back(&self, subject: &mut Subject, permit: &mut Option<Permit>) {
        let Some(permit) = permit else { return };
        if let Some(in_flight) = &mut permit.in_flight {
            in_flight.fail();
        }
        if std::mem::replace(&mut permit.slot, Slot::Held) == Slot::Held {
            return;
        }
        // It would count as a heartbeat until the request ends.
        permit.in_flight = None;
        if let Some(play) = subject.play.take() {
            let session = &play.session;
            if self.table.give_back(&session.account, session.stream, self.clock.now()).await.is_err() {
                tracing::warn!(stream = %session.stream, "slot not given back in time; its reservation will expire");
            }
        }
    }
}

/// The play session of a start. If it continues an older stream, it is that stream's.
fn continued(session: PlaySession, stream: Option<&Stream>) -> PlaySession {
    match stream {
        Some(stream) => PlaySession { stream: stream.id, started: stream.started, ..session },
        None => session,
    }
}

/// The sealed session for paths. It contains wall time, which stays valid on other gateways and after a restart.
fn seal(session: &PlaySession, settings: &Settings, moment: Moment) -> String {
    settings.keys.seal(&PlaySession { started: moment.to_wall(session.started), ..session.clone() })
}

fn admission_request(session: &PlaySession, client: ClientEvidence) -> AdmissionRequest {
    AdmissionRequest {
        stream: session.stream,
        account: session.account.clone(),
        application: session.application.clone(),
        device: session.device.clone(),
        asset: session.asset.clone(),
        started: session.started,
        attributes: session.attributes.clone(),
        client,
    }
}
