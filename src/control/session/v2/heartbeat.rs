//! Heartbeats.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::control::Control;
use crate::control::session::malformed::Malformed;
use crate::control::session::metadata::{Metadata, fits};
use crate::control::session::throttle::Counted;
use crate::model::Attributes;

use super::advice::Adviser;
use super::answer::Answer;
use super::call::Call;
use super::ended::{At, over};
use super::result::EvaluationResult;

/// Sends a heartbeat for a session.
///
/// Metadata in the call are added to the stream's attributes or change them. Some attributes are immutable once set.
#[utoipa::path(
    post,
    path = "/v2/sessions/{idp}/{subject}/{session}",
    tag = "session API, version 2",
    params(
        ("idp" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider."),
        ("subject" = String, Path, min_length = 1, max_length = 256, description = "The account at that provider."),
        ("session" = String, Path, description = "The session's id."),
    ),
    request_body(
        content(
            (BTreeMap<String, String> = "application/x-www-form-urlencoded"),
            (BTreeMap<String, String> = "application/json"),
        ),
        description = "New or changed attributes of the stream.",
    ),
    responses(
        (status = 202, description = "The session holds its slot.", headers(
            ("Expires" = String, description = "Deadline for the next heartbeat."),
        )),
        (status = 400, description = "Malformed.", body = EvaluationResult),
        (status = 401, description = "Unknown application."),
        (status = 403, description = "Another application's session, identity provider not allowed, or blocked."),
        (status = 404, description = "No such session was ever started for this account."),
        (status = 409, description = "The policies ended the session; reported once.", body = EvaluationResult, headers(
            ("Streamgate-Refusal" = String, description = "Refusal id for `GET /api/refusals/{refusal}`."),
        )),
        (status = 410, description = "The session is over. The body is present if it was killed.", body = Option<EvaluationResult>),
        (status = 429, description = "Too many calls for this session.", headers(
            ("Expires" = String, description = "When the next call is allowed."),
            ("Retry-After" = u64, description = "Seconds until then."),
        )),
    ),
    security(("basic" = [])),
)]
pub(super) async fn heartbeat(State(control): State<Control>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let call = Call::new(&control, head);
    let answer = beat(&call, body).await;
    call.answer(answer)
}

async fn beat(call: &Call<'_>, body: Body) -> Result<Answer, Answer> {
    let (table, windows, now) = (&call.control.admission.table, &call.settings.streams, call.now);
    let application = call.application()?;
    let account = call.account(application)?;
    let session = call.session()?;
    let view = call.view(&account);
    let stream = table.find(&view.account, session);
    if stream.as_ref().is_some_and(|stream| stream.application != application.id) {
        return Err(Answer::FORBIDDEN);
    }
    call.count(Counted::Session(view.account, session))?;
    let metadata = Metadata::read(&call.head, body).await.map_err(|error| call.malformed(error))?;
    let Some(stream) = stream.filter(|stream| stream.holds(windows, now)) else {
        return Err(over(call, At::Heartbeat, application, &account, session).await);
    };
    let news = Attributes::from(metadata);
    if !news.is_empty() && !fits(&stream, &news) {
        return Err(call.malformed(Malformed("a stream has at most 64 attributes")));
    }
    if !call.control.blocks().is_empty() {
        call.not_blocked(&view.account, &stream.attributes(), session)?;
    }
    if !stream.heartbeat_declared(now) {
        return Err(over(call, At::Heartbeat, application, &account, session).await);
    }
    if news.is_empty() {
        return Ok(call.accepted());
    }
    for name in stream.attribute_update(&news, &stream.asset).frozen {
        call.control
            .admission
            .metrics
            .immutable_attribute_changes
            .with_label_values(&[application.id.as_str(), name])
            .inc();
    }
    match table.heartbeat(&account, &stream, &news, &application.policies, windows, now).await {
        Ok(None) => Ok(call.accepted()),
        Ok(Some(refusal)) => {
            let answer = Adviser { view, languages: call.languages() }.refusal(&refusal);
            Err(call.remember(&refusal, &stream.admission_request(&account), answer))
        }
        Err(error) => {
            tracing::warn!(%error, stream = %session, "attributes of a heartbeat could not be evaluated");
            Ok(call.accepted())
        }
    }
}
