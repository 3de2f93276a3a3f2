//! JSON documents that players follow references in: asset lists of HLS interstitials (draft-pantos-hls-rfc8216bis
//! §D.2), and steering manifests of HLS (§7.2) and DASH (ETSI TS 103 998).
//!
//! Everything except rewritten references is copied. A path that gets the prefix becomes a URL with the viewer's scheme
//! and host: hls.js resolves an asset path against the page's host.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reference::{Base, Change, Judge, Target};

/// Result of a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    /// References that got the prefix.
    pub rewritten: u32,
    /// References to other hosts, which stay unchanged.
    pub foreign: u32,
}

/// True if a response may be such a document, by its path and content type.
pub fn may_have_references(path: &str, content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "application/json" | "text/json" | "application/vnd.apple.steering-list" => true,
        "" | "text/plain" | "application/octet-stream" => {
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            ["json", "dcsm"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        }
        other => other.starts_with("application/") && other.ends_with("+json"),
    }
}

/// Rewrites an asset list or a steering manifest. Absent where the document is neither; nothing has been appended to
/// `out` then.
pub fn rewrite(input: &[u8], target: &Target<'_>, out: &mut Vec<u8>) -> Option<References> {
    let text = std::str::from_utf8(input).ok()?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let document: Document<'_> = serde_json::from_str(text).ok()?;
    let references = document.references()?;
    let judge = Judge::new(target);
    let mut outcome = References { rewritten: 0, foreign: 0 };
    let mut edits = Vec::new();
    for (raw, role) in references {
        let Some((range, value)) = place(input, raw) else { continue };
        match change(&value, role, &judge, target) {
            Written::Kept => {}
            Written::Foreign => outcome.foreign += 1,
            Written::Anew(value) => {
                outcome.rewritten += 1;
                edits.push((range, serde_json::to_string(&value).ok()?));
            }
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut from = 0;
    for (range, written) in edits {
        out.extend_from_slice(input.get(from..range.start).unwrap_or_default());
        out.extend_from_slice(written.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(input.get(from..).unwrap_or_default());
    Some(outcome)
}

/// What is read of either document. A member of another type than it should have makes the document neither.
#[derive(Deserialize)]
struct Document<'d> {
    #[serde(rename = "ASSETS", borrow)]
    assets: Option<Vec<Asset<'d>>>,
    #[serde(rename = "PATHWAY-PRIORITY", borrow)]
    priority: Option<&'d RawValue>,
    #[serde(rename = "RELOAD-URI", borrow)]
    reload: Option<&'d RawValue>,
    #[serde(rename = "PATHWAY-CLONES", borrow)]
    clones: Option<Vec<PathwayClone<'d>>>,
}

#[derive(Deserialize)]
struct Asset<'d> {
    #[serde(rename = "URI", borrow)]
    uri: Option<&'d RawValue>,
}

#[derive(Deserialize)]
struct PathwayClone<'d> {
    #[serde(rename = "URI-REPLACEMENT", borrow)]
    replacement: Option<Replacement<'d>>,
}

/// A clone's host gets the paths of the pathway that it was made of, prefix included: another gateway answers for them.
#[derive(Deserialize)]
struct Replacement<'d> {
    #[serde(rename = "HOST", borrow)]
    host: Option<&'d RawValue>,
    #[serde(rename = "PER-VARIANT-URIS", borrow)]
    variants: Option<BTreeMap<String, &'d RawValue>>,
    #[serde(rename = "PER-RENDITION-URIS", borrow)]
    renditions: Option<BTreeMap<String, &'d RawValue>>,
}

/// What a string is.
#[derive(Clone, Copy)]
enum Role {
    Uri,
    Host,
}

impl<'d> Document<'d> {
    /// Every reference; absent where the document is neither an asset list nor a steering manifest.
    fn references(&self) -> Option<Vec<(&'d RawValue, Role)>> {
        if self.assets.is_none() && self.priority.is_none() {
            return None;
        }
        let replacements = self.clones.iter().flatten().filter_map(|clone| clone.replacement.as_ref());
        let hosts = replacements.clone().filter_map(|it| it.host).map(|host| (host, Role::Host));
        let replaced = replacements.flat_map(|it| [&it.variants, &it.renditions]).flatten().flat_map(BTreeMap::values);
        let assets = self.assets.iter().flatten().filter_map(|asset| asset.uri);
        let uris = assets.chain(self.reload).chain(replaced.copied()).map(|uri| (uri, Role::Uri));
        Some(uris.chain(hosts).collect())
    }
}

/// Where a string is written in the document, its quotes included, and what it says.
fn place(input: &[u8], raw: &RawValue) -> Option<(Range<usize>, String)> {
    let value = serde_json::from_str(raw.get()).ok()?;
    let start = raw.get().as_ptr().addr().checked_sub(input.as_ptr().addr())?;
    Some((start..start + raw.get().len(), value))
}

enum Written {
    Kept,
    Foreign,
    Anew(String),
}

/// References are resolved from the location of the document. A host by the origin's own name would lead round us.
fn change(value: &str, role: Role, judge: &Judge, target: &Target<'_>) -> Written {
    if matches!(role, Role::Host) {
        let ours = target.site.split_once("//").map_or(target.authority, |(_, host)| host);
        let is_origins = judge.is_of_origin(value.as_bytes()) && !ours.is_empty();
        return if is_origins { Written::Anew(ours.to_owned()) } else { Written::Kept };
    }
    let document = target.document.as_bytes();
    let base = if target.inherited { Base::Inherited(document) } else { Base::Bare(document) };
    match judge.judge(value.as_bytes(), base) {
        Change::Keep => Written::Kept,
        Change::Foreign => Written::Foreign,
        Change::Splice { keep, middle, rest } => {
            let value = value.as_bytes();
            let (head, tail) = (value.get(..keep).unwrap_or_default(), value.get(rest..).unwrap_or_default());
            let site = if head.trim_ascii().is_empty() { judge.site() } else { b"" };
            let parts = [head, site, judge.prefix(), &middle, tail];
            String::from_utf8(parts.concat()).map_or(Written::Kept, Written::Anew)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: &str, inherited: bool) -> Option<(String, References)> {
        let target = Target {
            prefix: "/~s/S",
            document: "/ads/list.json",
            query: None,
            inherited,
            authority: "tv.example",
            site: "https://tv.example",
            origin: Some("o.example"),
        };
        let mut out = Vec::new();
        let outcome = rewrite(input.as_bytes(), &target, &mut out);
        assert!(outcome.is_some() || out.is_empty());
        Some((String::from_utf8(out).expect("text"), outcome?))
    }

    #[test]
    fn an_asset_list_leads_back_under_the_prefix_and_keeps_every_other_byte() {
        let list = |uris: [&str; 5]| {
            format!(
                "\u{FEFF}{{ \"ASSETS\":[\r\n{{\"URI\":{},\"DURATION\":1.50e1,\"X-AD\":\"/a\\/b\"}}, {{\"DURATION\":3,\"URI\" : {} }},\
                 {{\"URI\":{}}},{{\"URI\":{}}},{{\"URI\":{}}},{{\"DURATION\":1}}], \"SKIP-CONTROL\":{{\"OFFSET\":2}} }}\n",
                uris[0], uris[1], uris[2], uris[3], uris[4],
            )
        };
        let given = [
            "\"/ad/1.m3u8\"",
            "\"http:\\/\\/TV.example\\/2.m3u8\"",
            "\"http://o.example/3\"",
            "\"../4\"",
            "\"https://ads.example/5\"",
        ];
        let there = [
            "\"https://tv.example/~s/S/ad/1.m3u8\"",
            "\"https://tv.example/~s/S/2.m3u8\"",
            "\"https://tv.example/~s/S/3\"",
            "\"../4\"",
            "\"https://ads.example/5\"",
        ];
        let (text, outcome) = written(&list(given), true).expect("an asset list");
        assert_eq!(text, list(there));
        assert_eq!(outcome, References { rewritten: 3, foreign: 1 });
        assert_eq!(written(&text, true), Some((text.clone(), References { rewritten: 0, foreign: 1 })));
        let bare = written("{\"ASSETS\":[{\"URI\":\"4\"}]}", false).expect("an asset list");
        assert_eq!(bare.0, "{\"ASSETS\":[{\"URI\":\"https://tv.example/~s/S/ads/4\"}]}");
    }

    #[test]
    fn a_steering_manifest_leads_back_with_its_reloads_and_the_uris_of_its_clones() {
        let manifest = |x: &str, host: &str| {
            format!(
                "{{\"VERSION\":1,\"TTL\":300,\"RELOAD-URI\":\"{x}/steer?a=1\",\"PATHWAY-PRIORITY\":[\"/x\",\"CDN-B\"],\"PATHWAY-CLONES\":[\
                 {{\"BASE-ID\":\"CDN-A\",\"ID\":\"CDN-B\",\"URI-REPLACEMENT\":{{\"HOST\":\"{host}\",\"PARAMS\":{{\"k\":\"/v\"}}}}}},\
                 {{\"ID\":\"CDN-C\",\"URI-REPLACEMENT\":{{\"PER-VARIANT-URIS\":{{\"v1\":\"{x}/v1.m3u8\",\"v2\":\"https://c.example/v2\"}},\
                 \"PER-RENDITION-URIS\":{{\"a\":\"{x}/a.m3u8\"}}}}}}]}}"
            )
        };
        let (text, outcome) = written(&manifest("", "b.example"), true).expect("a steering manifest");
        assert_eq!(text, manifest("https://tv.example/~s/S", "b.example"));
        assert_eq!(outcome, References { rewritten: 3, foreign: 1 });
        let (text, _) = written(&manifest("", "O.example"), true).expect("a steering manifest");
        assert_eq!(
            text,
            manifest("https://tv.example/~s/S", "tv.example"),
            "the origin's own name leads round the gateway"
        );
    }

    #[test]
    fn other_json_is_not_touched() {
        for other in [
            "",
            "[]",
            "{}",
            "null",
            "{\"URI\":\"/x\"}",
            "{\"RELOAD-URI\":\"/x\"}",
            "{\"ASSETS\":\"/x\"}",
            "{\"ASSETS\":[\"/x\"]}",
            "{\"ASSETS\":[{\"URI\":\"/x\"}]",
            "{\"ASSETS\":[{\"URI\":\"/x\"}]} x",
            "{\"assets\":[{\"URI\":\"/x\"}]}",
        ] {
            assert_eq!(written(other, true), None, "{other}");
        }
        let odd = "{\"ASSETS\":[{\"URI\":7},{\"URI\":null},{\"URI\":[\"/x\"]}]}";
        assert_eq!(written(odd, true).map(|(text, _)| text).as_deref(), Some(odd));
    }

    #[test]
    fn names_and_types_of_such_documents_are_known() {
        for (path, content_type) in [
            ("/list", Some("application/json; charset=utf-8")),
            ("/x.dcsm", Some("application/vnd.apple.steering-list")),
            ("/x.json", None),
            ("/x.JSON", Some("text/plain")),
            ("/x", Some("application/vnd.example+json")),
        ] {
            assert!(may_have_references(path, content_type), "{path} {content_type:?}");
        }
        for (path, content_type) in [("/x.json", Some("video/mp4")), ("/x", None), ("/x.txt", Some("text/plain"))] {
            assert!(!may_have_references(path, content_type), "{path} {content_type:?}");
        }
    }
}
