//! Elements and attributes with references (ISO/IEC 23009-1 §5.3 to §5.9), and the bases of the references.

/// The base of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `BaseURL`: relative to the parent level's base. It is the base of everything else in its level.
    Base,
    /// Relative to the location of the document.
    Document,
    /// Relative to the location of the document in most players, to the base of its level in others.
    Remote,
    /// Relative to the base of its level, or of the levels that inherit it.
    Media,
}

/// Elements whose text is a reference.
pub(super) fn text_role(element: &[u8]) -> Option<Role> {
    match element {
        b"BaseURL" => Some(Role::Base),
        b"Location" | b"PatchLocation" => Some(Role::Document),
        b"ContentSteering" => Some(Role::Remote),
        b"ImportedMPD" => Some(Role::Media),
        _ => None,
    }
}

/// Attributes whose value is a reference, by the local name of their element and their own qualified name.
pub(super) fn attribute_role(element: &[u8], attribute: &[u8]) -> Option<Role> {
    match (element, attribute) {
        (b"SegmentTemplate", b"media" | b"initialization" | b"index" | b"bitstreamSwitching")
        | (b"SegmentURL", b"media" | b"index")
        | (b"Initialization" | b"RepresentationIndex" | b"BitstreamSwitching", b"sourceURL")
        | (b"ReplacePresentation" | b"InsertPresentation", b"url" | b"uri") => Some(Role::Media),
        (b"ContentSteering", b"proxyServerURL") => Some(Role::Remote),
        (_, name) if is_xlink(name) => Some(Role::Remote),
        _ => None,
    }
}

/// `xlink:href` with any namespace prefix: no other vocabulary in an MPD has an `href`.
fn is_xlink(attribute: &[u8]) -> bool {
    attribute.ends_with(b":href")
}

/// True if attributes of this element other than `xlink:href` may be references.
pub(super) fn has_references(element: &[u8]) -> bool {
    matches!(
        element,
        b"SegmentTemplate"
            | b"SegmentURL"
            | b"Initialization"
            | b"RepresentationIndex"
            | b"BitstreamSwitching"
            | b"ReplacePresentation"
            | b"InsertPresentation"
            | b"ContentSteering"
    )
}

/// Elements with foreign content: license servers, messages to the application.
pub(super) fn is_opaque(element: &[u8]) -> bool {
    matches!(element, b"ContentProtection" | b"Event")
}

/// Alternative presentations are references, although they are inside events.
pub(super) fn is_alternative(element: &[u8]) -> bool {
    matches!(element, b"ReplacePresentation" | b"InsertPresentation")
}

/// Elements that may have a `BaseURL` and inherit their parent's. Includes the operations of a patch, which add to an
/// unknown place of an MPD.
pub(super) fn is_level(element: &[u8]) -> bool {
    matches!(element, b"MPD" | b"Patch" | b"Period" | b"AdaptationSet" | b"Representation" | b"add" | b"replace")
}

pub(super) fn local(name: &[u8]) -> &[u8] {
    memchr::memrchr(b':', name).and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

/// The role of the text of a patch operation, by the node that its `sel` (an `XPath`, RFC 5261 §4.1) or its `type`
/// names.
pub(super) fn patched_role(sel: &str, type_: Option<&str>) -> Option<Role> {
    let mut steps = steps(sel);
    let last = steps.pop()?;
    if let Some(attribute) = type_.and_then(|name| name.strip_prefix('@')) {
        return attribute_role(element_of(last), attribute.as_bytes());
    }
    let element = element_of(steps.pop()?);
    match last.strip_prefix('@') {
        Some(attribute) => attribute_role(element, attribute.as_bytes()),
        None if last.starts_with("text()") => text_role(element),
        None => None,
    }
}

/// The element that a step names, without predicate and namespace prefix.
fn element_of(step: &str) -> &[u8] {
    local(step.split('[').next().unwrap_or_default().as_bytes())
}

/// The steps of an `XPath`. Slashes inside predicates and their quotes do not separate steps.
fn steps(path: &str) -> Vec<&str> {
    let mut quote = None;
    let mut depth = 0_usize;
    path.split(|c: char| {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, _) => return c == '/' && depth == 0,
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_operations_name_the_reference_that_they_change() {
        let template = "/MPD/Period[@id='a/b]']/AdaptationSet[1]/SegmentTemplate";
        assert_eq!(patched_role(&format!("{template}/@media"), None), Some(Role::Media));
        assert_eq!(patched_role(template, Some("@initialization")), Some(Role::Media));
        assert_eq!(patched_role(&format!("{template}/@startNumber"), None), None);
        assert_eq!(patched_role("/m:MPD/m:Location[1]/text()", None), Some(Role::Document));
        assert_eq!(patched_role("/MPD/Period[1]/@xlink:href", None), Some(Role::Remote));
        assert_eq!(patched_role("/MPD/BaseURL[2]/text()[1]", None), Some(Role::Base));
        for other in ["", "/", "/MPD/@publishTime", "/MPD/Period[1]", "@media", "/MPD/Period['"] {
            assert_eq!(patched_role(other, None), None, "{other:?}");
        }
    }
}
