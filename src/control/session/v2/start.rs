//! Session starts.

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

/// Starts a session.
///
/// Metadata may be in the query, a form, or a flat JSON object of strings. The next heartbeat is due within `Expires`
/// minus `Date`.
#[utoipa::path(
    post,
    path = "/v2/sessions/{idp}/{subject}",
    tag = "session API, version 2",
    params(
        ("idp" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider."),
        ("subject" = String, Path, min_length = 1, max_length = 256, description = "The account at that provider."),
        ("X-Terminate" = Option<String>, Header, description = "Comma-separated termination codes of streams to kill if this one may start."),
    ),
    request_body(
        content(
            (BTreeMap<String, String> = "application/x-www-form-urlencoded"),
            (BTreeMap<String, String> = "application/json"),
        ),
        description = "Attributes of the stream.",
    ),
    responses(
        (status = 202, description = "The session holds a slot.", headers(
            ("Location" = String, description = "The session's id, without a path."),
            ("Expires" = String, description = "Deadline for the next heartbeat."),
        )),
        (status = 400, description = "Malformed, or a required attribute is missing.", body = EvaluationResult),
        (status = 401, description = "Unknown application."),
        (status = 403, description = "Identity provider not allowed, or the account or device is blocked."),
        (status = 409, description = "The policies refuse the session.", body = EvaluationResult, headers(
            ("Streamgate-Refusal" = String, description = "Refusal id for `GET /api/refusals/{refusal}`."),
        )),
        (status = 429, description = "Too many starts of this account.", headers(
            ("Expires" = String, description = "When the next call is allowed."),
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
        tracing::debug!(?version, application = %application.id, "session API client version");
    }
    let metadata = Metadata::read(&call.head, body).await.map_err(|error| call.malformed(error))?;
    let attributes = Attributes::from(metadata);
    let id = call.settings.keys.issue(
        &application.id,
        &view.account,
        call.moment.wall,
        call.control.admission.entropy.bytes(),
    );
    call.not_blocked(&view.account, &attributes, id)?;
    let missing = required::missing(application, &attributes);
    if !missing.is_empty() {
        return Err(lacking(&missing.into_iter().collect::<Vec<_>>()));
    }
    if call.control.admission.table.streams_of(&view.account) >= MAX_STREAMS {
        return Err(Answer::throttled(call.moment.wall + call.settings.session_api.window));
    }
    let codes = kills::codes(&call.head.headers);
    let kills = if codes.is_empty() {
        Vec::new()
    } else {
        let record = call.control.admission.table.record(&account, call.now).await;
        record.map_or_else(|_| Vec::new(), |record| kills::resolve(&codes, &record, &view, application))
    };
    let asset = attributes.get("assetId").or_else(|| attributes.get("channel")).unwrap_or_default().into();
    let [hint, _] = id.0.as_chunks().0 else { return Err(Answer::UNAVAILABLE) };
    let candidate = AdmissionRequest {
        stream: id,
        account,
        application: application.id.clone(),
        // The device id of an application is an attribute: each start is its own session, whatever else plays on the
        // device.
        device: Device::Hint(u64::from_be_bytes(*hint)),
        asset,
        started: call.now,
        attributes,
        client: ClientEvidence::default(),
    };
    let windows = &call.settings.streams;
    let decided =
        call.control.admission.table.declare(&candidate, &kills, false, &application.policies, windows, call.now).await;
    match decided {
        Ok(AdmissionOutcome::Admitted { stream, .. }) => Ok(call.accepted().location(stream.id)),
        Ok(AdmissionOutcome::Refused(refusal)) => {
            let answer = Adviser { view, languages: call.languages() }.refusal(&refusal);
            Err(call.remember(&refusal, &candidate, answer))
        }
        // Fails open: an internal error never refuses a viewer. Later the session is answered as ended, and starts
        // anew.
        Err(error) => {
            // Debug level, so that mass starts cannot fill the log. The store counts it and warns at intervals.
            tracing::debug!(%error, application = %application.id, "session accepted without a decision");
            Ok(call.accepted().location(id))
        }
    }
}
