//! Header fields about a request: its application, stream and account, and the rule of a policy in mode `annotate` that
//! it exceeds. Callers write them to requests and responses.

use http::{HeaderName, HeaderValue};

use super::decision::{Permit, Subject};
use super::fields::{Field, OURS, field};
use crate::identity::KeyRing;
use crate::policy::Violation;

const STATE: HeaderName = HeaderName::from_static("streamgate-state");
const RULE: HeaderName = HeaderName::from_static("streamgate-rule");
const STREAMS: HeaderName = HeaderName::from_static("streamgate-streams");
const LIMIT: HeaderName = HeaderName::from_static("streamgate-limit");
const APPLICATION: HeaderName = HeaderName::from_static("streamgate-application");
const STREAM: HeaderName = HeaderName::from_static("streamgate-stream");
const ACCOUNT: HeaderName = HeaderName::from_static("streamgate-account");
/// CTA-5006 §3: each hop appends one member to this list.
pub(crate) const CMSD_DYNAMIC: HeaderName = HeaderName::from_static("cmsd-dynamic");

/// Maximum total bytes of attribute fields: many servers accept 8 KiB of header, including the viewer's own fields.
const MAX_ATTRIBUTES: usize = 4096;

fn annotated(permit: Option<&Permit>) -> Option<&Violation> {
    permit?.annotations.as_ref()?.first()
}

/// The exceeded rule of an annotating policy, if any.
pub(crate) fn rule(permit: Option<&Permit>) -> Option<[Field; 4]> {
    let violation = annotated(permit)?;
    Some([
        (STATE, HeaderValue::from_static("over-limit")),
        (RULE, field(&format!("{}/{}", violation.policy, violation.rule))),
        (STREAMS, violation.reached.into()),
        (LIMIT, violation.threshold.into()),
    ])
}

/// The application, the stream, and the account by its label in the log.
pub(crate) fn whose(subject: &Subject, keys: &KeyRing) -> impl Iterator<Item = Field> {
    let application = subject.application.as_ref().map(|application| (APPLICATION, field(application.id.as_str())));
    let play = subject.play.as_ref();
    let stream = play.map(|play| (STREAM, field(&play.session.stream.to_string())));
    let account = play.map(|play| (ACCOUNT, field(play.account_label(keys))));
    application.into_iter().chain(stream).chain(account)
}

/// The attributes of the stream. Omits those whose name is no valid field name, and those beyond `MAX_ATTRIBUTES`.
pub(crate) fn attributes(subject: &Subject) -> Vec<Field> {
    let Some(play) = &subject.play else { return Vec::new() };
    let content = play.stream.as_ref().and_then(|stream| stream.content());
    let told = subject.application.iter().flat_map(|application| &application.of_manifest);
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

/// The member of `CMSD-Dynamic` for the viewer's player, if a rule is exceeded.
pub(crate) fn cmsd(permit: Option<&Permit>) -> Option<String> {
    let Violation { reached, threshold, .. } = annotated(permit)?;
    Some(format!(
        "\"streamgate\";com.streamgate-streams={reached};com.streamgate-limit={threshold};com.streamgate-state=over"
    ))
}

/// The fields that answer a forward-auth call about a request that passes.
pub(super) fn passed(subject: &Subject, permit: Option<&Permit>, keys: &KeyRing) -> impl Iterator<Item = Field> {
    let rule = rule(permit);
    let ok = rule.is_none().then(|| (STATE, HeaderValue::from_static("ok")));
    let cmsd = cmsd(permit).map(|member| (CMSD_DYNAMIC, field(&member)));
    ok.into_iter().chain(rule.into_iter().flatten()).chain(whose(subject, keys)).chain(cmsd)
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
