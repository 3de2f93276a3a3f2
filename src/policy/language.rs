//! Selects a language for a viewer: `Accept-Language` (RFC 9110 section 12.5.4) by lookup (RFC 4647 section 3.4).

/// Maximum bytes of the header, and ranges in it, that are read. Browsers send a handful.
const MAX_HEADER: usize = 1024;
const MAX_RANGES: usize = 32;

/// True if `tag`, in lower case, is a language tag (RFC 5646 section 2.1) with a primary language of two or three
/// letters. Longer ones are reserved, and probably mistakes such as `german`.
pub(super) fn is_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().unwrap_or_default();
    let is_language = matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    is_language
        && subtags
            .all(|subtag| matches!(subtag.len(), 1..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A language range in lower case, and its weight in thousandths; 0 rules it out.
struct LanguageRange {
    range: String,
    weight: u16,
}

/// Selects one of `tags` (in lower case) for `header`. Otherwise `fallback`, unless the header rules it out and allows
/// another one. Unreadable parts of the header are ignored.
pub(super) fn chosen<'t>(header: &str, tags: &[&'t str], fallback: &'t str) -> &'t str {
    let header = header.get(..header.floor_char_boundary(MAX_HEADER)).unwrap_or_default();
    let mut wishes: Vec<LanguageRange> = header.split(',').take(MAX_RANGES).filter_map(wish).collect();
    // Stable sort: ranges of equal weight keep the order of the header.
    wishes.sort_by_key(|wish| std::cmp::Reverse(wish.weight));
    let ruled_out = |tag: &str| {
        let speaking = wishes.iter().filter(|wish| covers(&wish.range, tag));
        speaking.max_by_key(|wish| wish.range.trim_matches('*').len()).is_some_and(|wish| wish.weight == 0)
    };
    // `*` names no language: it selects the fallback unless another range matches.
    let wanted = wishes.iter().filter(|wish| wish.weight > 0 && wish.range != "*");
    let found = wanted
        .flat_map(|wish| shorter_and_shorter(&wish.range))
        .find_map(|range| tags.iter().find(|tag| **tag == range && !ruled_out(tag)));
    match found {
        Some(tag) => tag,
        None if fallback.is_empty() || !ruled_out(fallback) => fallback,
        None => tags.iter().find(|tag| !ruled_out(tag)).unwrap_or(&fallback),
    }
}

/// Parses `de-CH;q=0.8`.
fn wish(text: &str) -> Option<LanguageRange> {
    let (range, parameters) = text.split_once(';').map_or((text, None), |(range, rest)| (range, Some(rest)));
    let weight = match parameters {
        Some(parameters) => {
            let (name, value) = parameters.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim())).flatten()?
        }
        None => 1000,
    };
    let range = range.trim().to_ascii_lowercase();
    let is_range =
        range == "*" || (!range.is_empty() && range.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    is_range.then_some(LanguageRange { range, weight })
}

/// Parses a quality value (RFC 9110 section 12.4.2): 0 to 1 with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}

/// True if the range equals the tag or is a prefix of it (RFC 4647 section 3.3.1).
fn covers(range: &str, tag: &str) -> bool {
    range == "*" || tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The range, shortened step by step from the end. No step ends with a single letter or digit (RFC 4647 section 3.4).
fn shorter_and_shorter(range: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(range), |range| {
        let mut shorter = range.rsplit_once('-')?.0;
        while let Some((shortest, last)) = shorter.rsplit_once('-')
            && last.len() == 1
        {
            shorter = shortest;
        }
        Some(shorter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_from_the_end_as_in_rfc_4647() {
        let steps: Vec<&str> = shorter_and_shorter("zh-hant-cn-x-private1-private2").collect();
        let expected = ["zh-hant-cn-x-private1-private2", "zh-hant-cn-x-private1", "zh-hant-cn", "zh-hant", "zh"];
        assert_eq!(steps, expected);
    }

    #[test]
    fn the_language_that_is_wanted_most_is_chosen() {
        let tags = ["da", "de", "de-ch", "en", "en-gb", "fr", "zh-hant"];
        for (header, expected) in [
            ("da, en-gb;q=0.8, en;q=0.7", "da"),
            ("sv, en-GB;q=0.8, en;q=0.7", "en-gb"),
            ("en;q=0.7, de-CH;q=0.71", "de-ch"),
            ("de-CH-1996", "de-ch"),
            ("de-AT", "de"),
            ("zh-Hant-CN-x-private1-private2", "zh-hant"),
            ("fr-FR, de-DE;q=0.5, *;q=0.1", "fr"),
            ("fr;q=0.5, de;q=0.5", "fr"),
            ("DE ; Q=1.000 , fr", "de"),
            // A longer tag does not match a shorter range.
            ("zh", "en"),
            ("*", "en"),
            ("*, fr;q=0.1", "fr"),
            ("", "en"),
        ] {
            assert_eq!(chosen(header, &tags, "en"), expected, "{header}");
        }
    }

    #[test]
    fn what_is_ruled_out_is_not_chosen_unless_nothing_else_is_left() {
        let tags = ["de", "de-ch", "en", "fr"];
        for (header, expected) in [
            ("de-CH, de;q=0", "de-ch"),
            ("de-AT, de;q=0, fr;q=0.1", "fr"),
            ("de;q=0", "en"),
            ("en;q=0", "de"),
            ("en;q=0, de;q=0.0", "fr"),
            ("*;q=0", "en"),
            ("*;q=0, fr;q=0.001", "fr"),
        ] {
            assert_eq!(chosen(header, &tags, "en"), expected, "{header}");
        }
        assert_eq!(chosen("*;q=0", &tags, ""), "", "a text whose language is not known is never ruled out");
    }

    #[test]
    fn rubbish_is_passed_over_and_what_stands_beside_it_counts() {
        let tags = ["de", "en", "fr"];
        let long = "x,".repeat(100_000) + "fr";
        let wide = "é".repeat(2000);
        for (header, expected) in [
            (";;;,fr", "fr"),
            ("de;q=2, fr", "fr"),
            ("de;q=, fr;q=0.1", "fr"),
            ("de;q=0.1234, fr;q=0.1", "fr"),
            ("de;level=1, fr;q=0.1", "fr"),
            ("d\u{e9}, fr;q=0.1", "fr"),
            ("-, --, fr", "fr"),
            (&long, "en"),
            (&wide, "en"),
        ] {
            assert_eq!(chosen(header, &tags, "en"), expected, "{}", header.get(..20).unwrap_or(header));
        }
    }

    #[test]
    fn a_tag_begins_with_a_language_of_two_or_three_letters() {
        for tag in ["de", "gsw", "de-ch", "zh-hant-tw", "es-419", "de-ch-x-phonebk"] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", "d", "german", "de_ch", "de-", "-de", "de--ch", "de-abcdefghi", "d\u{e9}", "12"] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
