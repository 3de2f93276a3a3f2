//! What a policy in mode `annotate` adds to a request and its response.

use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS};
use pingora::http::{RequestHeader, ResponseHeader};

use super::context::Context;
use crate::policy::Violation;

/// Fields of ours that only we may send to an origin: what a viewer sends under these names is dropped.
const OURS: &str = "streamgate-";
/// CTA-5006 §3: each hop appends one member to this list.
const CMSD_DYNAMIC: &str = "cmsd-dynamic";

fn annotated(ctx: &Context) -> Option<&Violation> {
    ctx.annotations.as_ref()?.first()
}

/// Removes what a viewer wrote under our names.
pub(super) fn strip_forged(request: &mut RequestHeader) {
    let forged = |name: &http::HeaderName| name.as_str().starts_with(OURS);
    if !request.headers.keys().any(forged) {
        return;
    }
    let names: Vec<_> = request.headers.keys().filter(|name| forged(name)).cloned().collect();
    for name in names {
        request.remove_header(&name);
    }
}

/// Tells the origin which rule is exceeded.
///
/// # Errors
/// A field could not be written, which well-formed names do not lead to.
pub(super) fn to_origin(request: &mut RequestHeader, ctx: &Context) -> pingora::Result<()> {
    let Some(violation) = annotated(ctx) else { return Ok(()) };
    request.insert_header("streamgate-state", "over")?;
    request.insert_header("streamgate-rule", field(&format!("{}/{}", violation.policy, violation.rule)))?;
    request.insert_header("streamgate-streams", violation.reached)?;
    request.insert_header("streamgate-limit", violation.threshold)?;
    if let Some(application) = &ctx.application {
        request.insert_header("streamgate-application", field(application.id.as_str()))?;
    }
    if let Some(play) = &ctx.play {
        request.insert_header("streamgate-stream", play.session.stream.to_string())?;
        request.insert_header("streamgate-account", play.account_label(&ctx.settings.keys).to_owned())?;
        let content = play.stream.as_ref().and_then(|stream| stream.content());
        let told = ctx.application.iter().flat_map(|application| &application.of_manifest);
        let told = told.filter_map(|name| Some((&**name, content?)));
        let known = play.stream.as_ref().map_or_else(|| play.session.attributes.clone(), |stream| stream.attributes());
        for (name, value) in known.iter().chain(told) {
            request.insert_header(format!("streamgate-attribute-{}", name.to_ascii_lowercase()), field(value))?;
        }
    }
    Ok(())
}

/// Tells the viewer's player: a member of `CMSD-Dynamic`, after those of the hops behind us.
///
/// # Errors
/// The field could not be written.
pub(super) fn to_viewer(response: &mut ResponseHeader, ctx: &Context) -> pingora::Result<()> {
    let Some(violation) = annotated(ctx) else { return Ok(()) };
    let member = format!(
        "\"streamgate\";com.streamgate-streams={};com.streamgate-limit={};com.streamgate-state=over",
        violation.reached, violation.threshold,
    );
    let earlier = response.headers.get_all(CMSD_DYNAMIC).iter().filter_map(|value| value.to_str().ok());
    let list: Vec<&str> = earlier.chain([member.as_str()]).collect();
    let list = list.join(", ");
    response.insert_header(CMSD_DYNAMIC, field(&list))?;
    if response.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // Otherwise a page's player does not see it.
        response.append_header(ACCESS_CONTROL_EXPOSE_HEADERS, "CMSD-Dynamic")?;
    }
    Ok(())
}

/// A name from the configuration may hold what a field may not.
fn field(text: &str) -> HeaderValue {
    let clean: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    HeaderValue::from_str(&clean).unwrap_or_else(|_| HeaderValue::from_static("unprintable"))
}
