use super::*;

const GRAMMAR: Grammar =
    Grammar { slots: &[&["exp"], &["acl"], &["data"], &["all"]], ordered: true, signatures: &["hmac", "sig"] };
const LOOSE: Grammar = Grammar { ordered: false, slots: &[&["exp"], &["acl", "url"], &["all"]], ..GRAMMAR };

fn read(text: &str) -> Option<(&str, Vec<&'static str>, &str)> {
    let fields = GRAMMAR.read(text, '~').ok()?;
    Some((fields.signed, fields.list.iter().map(|(name, _)| *name).collect(), fields.signature.1))
}

#[test]
fn a_token_is_its_fields_and_then_its_signature() {
    assert_eq!(read("exp=1~data=a=b&c~hmac=00"), Some(("exp=1~data=a=b&c", vec!["exp", "data"], "00")));
    assert_eq!(read("hdntl=exp=1~hmac=00"), Some(("exp=1", vec!["exp"], "00")));
    assert_eq!(read("exp=1~data=hmac=00~sig=x"), Some(("exp=1~data=hmac=00", vec!["exp", "data"], "x")));
    assert_eq!(read("exp=1~all~hmac="), Some(("exp=1~all", vec!["exp", "all"], "")));
}

#[test]
fn anything_but_the_fields_of_the_grammar_is_refused() {
    for text in [
        "",
        "~",
        "exp=1",
        "exp=1~hmac",
        "hmac=00",
        "~hmac=00",
        "exp=1~~hmac=00",
        "exp=1~hmac=00~",
        "exp=1~hmac=00~acl=/*",
        "exp=1~hmac=00~hmac=00",
        "exp=1~exp=2~hmac=00",
        "acl=/*~exp=1~hmac=00",
        "exp=1~url=/a~hmac=00",
        "exp=1~EXP=1~hmac=00",
        "expires=1~hmac=00",
        "hdntl=hdntl=exp=1~hmac=00",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn fields_without_an_order_still_stand_once_and_exclude_each_other() {
    assert!(LOOSE.read("acl=/*~exp=1~hmac=00", '~').is_ok());
    assert!(LOOSE.read("exp=1~url=/a~hmac=00", '~').is_ok());
    for text in ["acl=/*~exp=1~acl=/*~hmac=00", "acl=/*~url=/a~hmac=00", "all~all~hmac=00", "all~all=1~hmac=00"] {
        assert!(LOOSE.read(text, '~').is_err(), "{text}");
    }
}

#[test]
fn times_are_plain_digits() {
    let time = |text: &str| GRAMMAR.read(&format!("exp={text}~hmac=00"), '~').ok()?.times("exp", "st").ok()?.expires;
    assert_eq!(time("12"), Some(Millis(12_000)));
    assert_eq!(time("18446744073709551615"), Some(Millis(u64::MAX)));
    for text in ["", "+1", "-1", "1.5", " 1", "0x1", "18446744073709551616", "١"] {
        assert_eq!(time(text), None, "{text}");
    }
}

#[test]
fn a_value_runs_to_the_end_of_its_signature_over_what_would_end_another() {
    for (rest, end, token) in [
        ("exp=1~data=a&b=c~hmac=00&x=1", '&', "exp=1~data=a&b=c~hmac=00"),
        ("exp=1~data=a&b=c~hmac=00", '&', "exp=1~data=a&b=c~hmac=00"),
        ("exp=1~acl=/live/*~hmac=00/live/a.ts", '/', "exp=1~acl=/live/*~hmac=00"),
        ("hdntl=exp=1~acl=/a/*~hmac=00/a/b.ts", '/', "hdntl=exp=1~acl=/a/*~hmac=00"),
        ("exp=1~acl=/a&b~hmac=00~more=1&x", '&', "exp=1~acl=/a&b~hmac=00~more=1"),
        // What is no token ends where everything else ends.
        ("&exp=1~hmac=00", '&', ""),
        ("abc&x=y~hmac=00", '&', "abc"),
        ("exp=1~acl=/a&exp=1~acl=/b~hmac=00", '&', "exp=1~acl=/a"),
        ("exp%3D1%7Ehmac%3D00&x~hmac=00", '&', "exp%3D1%7Ehmac%3D00"),
        ("", '&', ""),
    ] {
        assert_eq!(rest.get(..GRAMMAR.extent(rest, end)), Some(token), "{rest}");
    }
}

#[test]
fn no_signature_is_looked_for_behind_the_longest_token() {
    let within = |length: usize| format!("exp=1~data=&{}~hmac=00&x", "é".repeat(length / 2));
    let short = within(MAX_TOKEN - 100);
    assert_eq!(GRAMMAR.extent(&short, '&'), short.len() - 2);
    assert_eq!(GRAMMAR.extent(&within(MAX_TOKEN), '&'), "exp=1~data=".len());
}

#[test]
fn hexadecimal_is_read_in_pairs() {
    assert_eq!(from_hex("00fFa9"), Some(vec![0, 255, 0xA9]));
    assert_eq!(from_hex(""), Some(Vec::new()));
    for text in ["0", "0g", "+1", "éa"] {
        assert_eq!(from_hex(text), None, "{text}");
    }
}

#[test]
fn a_free_text_is_there_as_it_stands_and_unescaped() {
    let mut members = Map::new();
    insert_free(&mut members, "id", "s+1%2f2");
    insert_free(&mut members, "data", "%ff");
    let expected = serde_json::json!({ "id": "s+1%2f2", "id_unescaped": "s 1/2", "data": "%ff" });
    assert_eq!(Value::Object(members), expected);
}
