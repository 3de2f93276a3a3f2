//! Texts such as `calim:sub` that look like a source but are not.

use super::ValueSourceError;

/// Each source by its word before the colon, with an example.
const SOURCES: [(&str, &str); 8] = [
    ("claim", "claim:NAME"),
    ("header", "header:NAME"),
    ("query", "query:NAME"),
    ("cookie", "cookie:NAME"),
    ("cmcd", "cmcd:KEY"),
    ("path", "path:REGEX"),
    ("manifest", "manifest:live"),
    ("text", "text:VALUE"),
];

/// Maximum edit distance of a suggestion.
const CLOSE: usize = 2;

/// The error for a text that starts with an unknown word and a colon. `None` for a literal.
///
/// A literal of that form (a URN, a URL, `host:port`) is written as `text:VALUE`: a misspelled source taken for a
/// literal would give all viewers one account or device.
pub(super) fn fault(text: &str) -> Option<ValueSourceError> {
    let (word, rest) = text.split_once(':')?;
    let word = word.trim();
    let first = |c: char| c.is_alphabetic() || c == '_';
    if !word.starts_with(first) || !word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return None;
    }
    let near = nearest(word).map(|near| format!("{near}:{}", rest.trim()).into());
    Some(ValueSourceError::Unknown { text: text.into(), word: word.into(), near })
}

/// The remedy, without the last alternative.
pub(super) fn remedy(near: Option<&str>) -> String {
    if let Some(near) = near {
        return format!("did you mean `{near}`? Otherwise write");
    }
    let examples: Vec<String> = SOURCES.iter().map(|(_, example)| format!("`{example}`")).collect();
    format!("write one of {}, or", examples.join(", "))
}

fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::osa_distance(&word, known);
    let (best, _) = SOURCES.into_iter().min_by_key(|(known, _)| distance(known))?;
    (distance(best) <= CLOSE.min(best.len() / 3).max(1)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_source_is_told_the_one_that_is_meant() {
        for (text, meant) in [
            ("calim:sub", "claim:sub"),
            ("claims:sub", "claim:sub"),
            ("Claim:sub", "claim:sub"),
            ("CLAIM:sub", "claim:sub"),
            ("clam:ext.id", "claim:ext.id"),
            (" claim:sub", "claim:sub"),
            ("claim :sub", "claim:sub"),
            ("claim : sub", "claim:sub"),
            ("сlaim:sub", "claim:sub"), // a Cyrillic letter
            ("headers:x-device", "header:x-device"),
            ("haeder:x-device", "header:x-device"),
            ("qurey:device", "query:device"),
            ("querry:device", "query:device"),
            ("cookies:dev", "cookie:dev"),
            ("coookie:dev", "cookie:dev"),
            ("cmdc:sid", "cmcd:sid"),
            ("CMCD:sid", "cmcd:sid"),
            ("paht:^/(.*)/", "path:^/(.*)/"),
            ("manifets:live", "manifest:live"),
            ("txt:words", "text:words"),
            ("test:words", "text:words"),
        ] {
            let error = fault(text).map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(&format!("did you mean `{meant}`?")), "{text}: {error}");
            assert!(error.ends_with(&format!("`text:{text}` for the literal text")), "{text}: {error}");
        }
    }

    #[test]
    fn a_word_that_is_near_to_no_source_is_told_all_of_them() {
        for text in [
            "jwt:sub",
            "token:sub",
            "attribute:plan",
            "x-device:id",
            "_:a",
            "a:",
            "param2:token",
            "urn:isbn:0451450523",
            "https://idp.example",
            "mailto:a@b.example",
            "localhost:8080",
            "ñandú:a",
        ] {
            let error = fault(text).map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("write one of `claim:NAME`, "), "{text}: {error}");
            assert!(error.ends_with(&format!("`text:{text}` for the literal text")), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_without_a_word_and_a_colon_is_a_literal() {
        for text in [
            "acme",
            "ac me",
            "2:1",
            "12:30",
            ":a",
            "a b:c",
            "10.0.0.1:80",
            "idp.example:443",
            "//a:b",
            "a,b:c",
            "[::1]",
            "-a:b",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }
}
