use super::*;

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect()
}

fn in_languages(pairs: &[(&str, &str)]) -> Message {
    Message::in_languages(&texts(pairs)).unwrap()
}

fn value(name: &str) -> Option<Cow<'static, str>> {
    match name {
        "limit" => Some("2".into()),
        "deviceName" => Some("Anna's \u{1b}[31mTV\u{202e}\n".into()),
        "channel" => Some("x".repeat(1000).into()),
        _ => None,
    }
}

#[test]
fn places_are_filled_in_and_double_braces_are_braces() {
    let message = Message::one("{{At most {limit}}} streams on {programmer}; {{}}{limit}\n").unwrap();
    assert_eq!(message.places().collect::<Vec<_>>(), ["limit", "programmer", "limit"]);
    assert_eq!(message.render(Some("de"), &value), (None, "{At most 2} streams on Unknown; {}2".to_owned()));
    assert!(message.is_one_language());
}

#[test]
fn values_cannot_control_what_shows_them_nor_fill_the_screen() {
    let message = Message::one("{deviceName}, {channel}").unwrap();
    assert_eq!(message.render(None, &value).1, format!("Anna's [31mTV, {}", "x".repeat(100)));
}

#[test]
fn a_value_is_shown_as_it_is_and_not_read_as_a_text() {
    let message = Message::one("{channel}").unwrap();
    assert_eq!(message.render(None, &|_| Some("{limit}}".into())).1, "{limit}}");
}

#[test]
fn the_viewers_language_is_chosen_and_named() {
    let message =
        in_languages(&[("de", "Höchstens {limit}"), ("en", "At most {limit}"), ("pt-BR", "No máximo {limit}")]);
    assert!(!message.is_one_language());
    assert_eq!(message.render(Some("de-AT, en;q=0.5"), &value), (Some("de"), "Höchstens 2".to_owned()));
    assert_eq!(message.render(Some("PT-br"), &value).0, Some("pt-br"));
    assert_eq!(message.render(Some("fr"), &value).0, Some("en"));
    assert_eq!(message.render(None, &value).0, Some("en"));
}

#[test]
fn who_reads_none_of_the_languages_gets_the_default_else_english_else_the_first() {
    let message = in_languages(&[("default", "Zu viele"), ("en", "Too many")]);
    assert_eq!(message.render(Some("fr"), &value), (None, "Zu viele".to_owned()), "its language is not said");
    assert_eq!(message.render(Some("default"), &value).1, "Zu viele");
    assert_eq!(message.render(Some("en"), &value).0, Some("en"));
    assert_eq!(in_languages(&[("fr", "a"), ("de", "b")]).render(Some("it"), &value).0, Some("de"));
    let only = in_languages(&[("fr", "a")]);
    assert!(only.is_one_language());
    assert_eq!(only.render(Some("de, fr;q=0"), &value), (Some("fr"), "a".to_owned()));
}

#[test]
fn what_is_wrong_with_a_text_is_said_in_one_sentence() {
    let long = "x".repeat(501);
    for (text, said) in [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        (&*long, "longer than 500 characters"),
        ("a\nb", "line break (\\u{a}): write it in one line"),
        ("a\u{7}b", "control character"),
        ("at most {limit", "a `{` is never closed"),
        ("at most {limit {count}", "a `{` is never closed"),
        ("at most limit}", "a `}` closes nothing"),
        ("at most {}", "`{}` has no name"),
        ("at most { }", "`{}` has no name"),
        ("at most { limit }", "write `{limit}`"),
        ("}{", "a `}` closes nothing"),
        ("{", "never closed"),
    ] {
        let error = Message::one(text).unwrap_err();
        assert!(error.message.contains(said), "{text:?}: {error}");
        assert_eq!(error.language, None);
    }
    assert!(Message::one(&"ü".repeat(500)).is_ok(), "characters are counted, not bytes");
}

#[test]
fn what_is_wrong_with_texts_by_language_names_the_language() {
    for (pairs, language, said) in [
        (&[("de_CH", "a")][..], Some("de_CH"), "`de_CH` is not a language tag: write `de-CH`"),
        (&[("german", "a")], Some("german"), "write one such as `en` or `pt-BR`, or `default`"),
        (&[("", "a")], Some(""), "is not a language tag"),
        (&[("en", "a"), ("de", "{")], Some("de"), "never closed"),
        (&[("de-CH", "a"), ("de-ch", "a")], Some("de-ch"), "is repeated with different case"),
        (&[], None, "no text is given"),
    ] {
        let error = Message::in_languages(&texts(pairs)).unwrap_err();
        assert!(error.message.contains(said), "{error}");
        assert_eq!(error.language.as_deref(), language);
    }
}
