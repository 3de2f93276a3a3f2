//! What is said of a request besides its answer: whose it is, and which rule of a policy in mode `annotate` it exceeds.
//! The names and texts of the fields; whoever answers writes them where they belong.

use http::{HeaderName, HeaderValue};

use super::context::Context;
use crate::policy::Violation;

/// Fields of ours that only we may send: what a viewer sends under these names is dropped.
pub(crate) const OURS: &str = "streamgate-";

const STATE: HeaderName = HeaderName::from_static("streamgate-state");
const RULE: HeaderName = HeaderName::from_static("streamgate-rule");
const STREAMS: HeaderName = HeaderName::from_static("streamgate-streams");
const LIMIT: HeaderName = HeaderName::from_static("streamgate-limit");
const APPLICATION: HeaderName = HeaderName::from_static("streamgate-application");
const STREAM: HeaderName = HeaderName::from_static("streamgate-stream");
const ACCOUNT: HeaderName = HeaderName::from_static("streamgate-account");
const REFUSAL: HeaderName = HeaderName::from_static("streamgate-refusal");
const REASON: HeaderName = HeaderName::from_static("streamgate-reason");
const DETAIL: HeaderName = HeaderName::from_static("streamgate-detail");
/// CTA-5006 §3: each hop appends one member to this list.
pub(crate) const CMSD_DYNAMIC: HeaderName = HeaderName::from_static("cmsd-dynamic");

/// Bytes of the fields of attributes, all together: many servers take 8 KiB of header, the viewer's own fields included.
const MAX_ATTRIBUTES: usize = 4096;

/// A header field.
pub(super) type Field = (HeaderName, HeaderValue);

fn annotated(ctx: &Context) -> Option<&Violation> {
    ctx.annotations.as_ref()?.first()
}

/// Which rule is exceeded, where one is that only annotates.
pub(crate) fn rule(ctx: &Context) -> Option<[Field; 4]> {
    let violation = annotated(ctx)?;
    Some([
        (STATE, HeaderValue::from_static("over-limit")),
        (RULE, field(&format!("{}/{}", violation.policy, violation.rule))),
        (STREAMS, violation.reached.into()),
        (LIMIT, violation.threshold.into()),
    ])
}

/// Whose request it is: the application, the stream, and the account by the name that the log gives it.
pub(crate) fn whose(ctx: &Context) -> impl Iterator<Item = Field> {
    let application = ctx.application.as_ref().map(|application| (APPLICATION, field(application.id.as_str())));
    let play = ctx.play.as_ref();
    let stream = play.map(|play| (STREAM, field(&play.session.stream.to_string())));
    let account = play.map(|play| (ACCOUNT, field(play.account_label(&ctx.settings.keys))));
    application.into_iter().chain(stream).chain(account)
}

/// The attributes of the stream. Those whose name no field can have are left out, and those beyond what servers take in all.
pub(crate) fn attributes(ctx: &Context) -> Vec<Field> {
    let Some(play) = &ctx.play else { return Vec::new() };
    let content = play.stream.as_ref().and_then(|stream| stream.content());
    let told = ctx.application.iter().flat_map(|application| &application.of_manifest);
    let told = told.filter_map(|name| Some((&**name, content?)));
    let known = play.stream.as_ref().map_or_else(|| play.session.attributes.clone(), |stream| stream.attributes());
    fields(known.iter().chain(told))
}

fn fields<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Field> {
    let mut left = MAX_ATTRIBUTES;
    let field = |(name, value): (&str, &str)| {
        let name = HeaderName::try_from(format!("{OURS}attribute-{name}")).ok().filter(|_| !name.is_empty())?;
        let rest = left.checked_sub(name.as_str().len() + value.len())?;
        left = rest;
        Some((name, field(value)))
    };
    attributes.filter_map(field).collect()
}

/// What the viewer's player is told, where a rule is exceeded: a member of `CMSD-Dynamic`.
pub(crate) fn cmsd(ctx: &Context) -> Option<String> {
    let Violation { reached, threshold, .. } = annotated(ctx)?;
    Some(format!(
        "\"streamgate\";com.streamgate-streams={reached};com.streamgate-limit={threshold};com.streamgate-state=over"
    ))
}

/// What a refusal is, in short: its id, the last word of its problem's type, and its text.
pub(super) fn brief(refusal: u64, reason: &'static str, detail: &str) -> [Field; 3] {
    [(REFUSAL, field(&format!("{refusal:016x}"))), (REASON, HeaderValue::from_static(reason)), (DETAIL, field(detail))]
}

/// What is said of a request that passes, to a proxy that asked about it.
pub(super) fn passed(ctx: &Context) -> impl Iterator<Item = Field> {
    let rule = rule(ctx);
    let ok = rule.is_none().then(|| (STATE, HeaderValue::from_static("ok")));
    let cmsd = cmsd(ctx).map(|member| (CMSD_DYNAMIC, field(&member)));
    ok.into_iter().chain(rule.into_iter().flatten()).chain(whose(ctx)).chain(cmsd)
}

/// A text as the value of a field; what a field may not hold is replaced.
pub(crate) fn field(text: &str) -> HeaderValue {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let fits = |c: char| c.is_ascii_graphic() || c == ' ';
    let value = if text.chars().all(fits) {
        value(text)
    } else {
        value(&text.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>())
    };
    value.unwrap_or_else(|| HeaderValue::from_static("unprintable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_no_field_can_carry_is_left_out_and_the_rest_is_told() {
        let long = "x".repeat(MAX_ATTRIBUTES);
        let told = fields(
            [("a b", "1"), ("", "2"), ("grün", "3"), ("Plan", "grün"), ("long", &long), ("last", "")].into_iter(),
        );
        let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(told, [("streamgate-attribute-plan", "gr_n"), ("streamgate-attribute-last", "")]);
    }
}
