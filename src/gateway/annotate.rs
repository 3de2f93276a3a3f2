//! Header fields that a policy in mode `annotate` adds to a request and its response.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS};
use pingora::http::{RequestHeader, ResponseHeader};

use super::context::Context;
use crate::admission::{CMSD_DYNAMIC, OURS, attributes, cmsd, field, rule, whose};

/// Removes fields of the viewer that only the gateway may set.
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

/// Adds the exceeded rule and the viewer's stream to the origin's request.
///
/// # Errors
/// A field could not be written. Does not happen for well-formed names.
pub(super) fn to_origin(request: &mut RequestHeader, ctx: &Context) -> pingora::Result<()> {
    let Some(rule) = rule(ctx.permit.as_ref()) else { return Ok(()) };
    for (name, value) in rule.into_iter().chain(whose(&ctx.subject, &ctx.settings().keys)) {
        request.insert_header(name, value)?;
    }
    for (name, value) in attributes(&ctx.subject) {
        // The number of fields is limited; a missing attribute must not fail the request.
        let _ = request.insert_header(name, value);
    }
    Ok(())
}

/// Appends a member to the response's `CMSD-Dynamic`, after those of earlier hops.
///
/// # Errors
/// The field could not be written.
pub(super) fn to_viewer(response: &mut ResponseHeader, ctx: &Context) -> pingora::Result<()> {
    let Some(member) = cmsd(ctx.permit.as_ref()) else { return Ok(()) };
    let earlier = response.headers.get_all(CMSD_DYNAMIC).iter().filter_map(|value| value.to_str().ok());
    let list: Vec<&str> = earlier.chain([member.as_str()]).collect();
    let list = list.join(", ");
    response.insert_header(CMSD_DYNAMIC, field(&list))?;
    if response.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // Otherwise a player in a page cannot read it.
        response.append_header(ACCESS_CONTROL_EXPOSE_HEADERS, "CMSD-Dynamic")?;
    }
    Ok(())
}
