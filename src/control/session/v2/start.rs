//! A session starts.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::control::Control;
use crate::control::session::MAX_STREAMS;
use crate::control::session::metadata::Metadata;
use crate::control::session::required;
use crate::control::session::throttle::Counted;
use crate::model::{Attributes, ClientEvidence, Device};
use crate::streams::{AdmissionOutcome, AdmissionRequest};

use super::advice::{Adviser, lacking};
use super::answer::Answer;
use super::call::Call;
use super::kills;
use super::result::EvaluationResult;

/// Start a session.
///
/// The metadata of the stream stand in the query, in a form, or in a flat JSON object of texts. `Expires` less `Date` is the
/// time within which the session has to be heard of.
#[utoipa::path(
    post,
    path = "/v2/sessions/{idp}/{subject}",
    tag = "session API, version 2",
    params(
        ("idp" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider."),
        ("subject" = String, Path, min_length = 1, max_length = 256, description = "The account there."),
        ("X-Terminate" = Option<String>, Header, description = "Termination codes of streams to end if this one may start, with commas."),
    ),
    request_body(
        content(
            (BTreeMap<String, String> = "application/x-www-form-urlencoded"),
            (BTreeMap<String, String> = "application/json"),
        ),
        description = "What is known of the stream.",
    ),
    responses(
        (status = 202, description = "It holds a slot.", headers(
            ("Location" = String, description = "The session's id, bare."),
            ("Expires" = String, description = "When it has to have been heard of again."),
        )),
        (status = 400, description = "Malformed, or an attribute is missing that the policies ask for.", body = EvaluationResult),
        (status = 401, description = "No application of ours."),
        (status = 403, description = "Not for this identity provider, or the account or device is blocked."),
        (status = 409, description = "The policies refuse it.", body = EvaluationResult, headers(
            ("Streamgate-Refusal" = String, description = "The name under which an operator finds why."),
        )),
        (status = 429, description = "Too many starts of this account.", headers(
            ("Expires" = String, description = "When the next one passes."),
            ("Retry-After" = u64, description = "Seconds until then."),
        )),
    ),
    security(("basic" = [])),
)]
pub(super) async fn start(State(control): State<Control>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let call = Call::new(&control, head);
    let answer = begin(&call, body).await;
    call.answer(answer)
}

async fn begin(call: &Call<'_>, body: Body) -> Result<Answer, Answer> {
    let application = call.application()?;
    let account = call.account(application)?;
    let view = call.view(&account);
    call.count(Counted::Subject(view.account))?;
    if let Some(version) = call.head.headers.get("x-client-version") {
        tracing::debug!(?version, application = %application.id, "what calls");
    }
    let metadata = Metadata::read(&call.head, body).await.map_err(|error| call.malformed(error))?;
    let attributes = Attributes::from(metadata);
    let id = call.settings.keys.issue(&application.id, &view.account, call.moment.wall, call.control.entropy.bytes());
    call.not_blocked(&view.account, &attributes, id)?;
    let missing = required::missing(application, &attributes);
    if !missing.is_empty() {
        return Err(lacking(&missing.into_iter().collect::<Vec<_>>()));
    }
    if call.control.table.streams_of(&view.account) >= MAX_STREAMS {
        return Err(Answer::throttled(call.moment.wall + call.settings.session_api.window));
    }
    let codes = kills::codes(&call.head.headers);
    let kills = if codes.is_empty() {
        Vec::new()
    } else {
        let record = call.control.table.record(&account, call.now).await;
        record.map_or_else(|_| Vec::new(), |record| kills::resolve(&codes, &record, &view, application))
    };
    let asset = attributes.get("assetId").or_else(|| attributes.get("channel")).unwrap_or_default().into();
    let [hint, _] = id.0.as_chunks().0 else { return Err(Answer::UNAVAILABLE) };
    let candidate = AdmissionRequest {
        stream: id,
        account,
        application: application.id.clone(),
        // An application's word for the device is an attribute: each start is a session of its own, whatever else plays there.
        device: Device::Hint(u64::from_be_bytes(*hint)),
        asset,
        started: call.now,
        attributes,
        client: ClientEvidence::default(),
    };
    let windows = &call.settings.streams;
    let decided = call.control.table.declare(&candidate, &kills, false, &application.policies, windows, call.now).await;
    match decided {
        Ok(AdmissionOutcome::Admitted { stream, .. }) => Ok(call.accepted().location(stream.id)),
        Ok(AdmissionOutcome::Refused(refusal)) => {
            let answer = Adviser { view, languages: call.languages() }.refusal(&refusal);
            Err(call.remember(&refusal, &candidate, answer))
        }
        // Nobody is refused for our own trouble. When it is over, the session is told that it has ended, and starts anew.
        Err(error) => {
            // It is counted, and the store warns now and then: whoever starts sessions at will must not fill the log.
            tracing::debug!(%error, application = %application.id, "a session started undecided");
            Ok(call.accepted().location(id))
        }
    }
}
