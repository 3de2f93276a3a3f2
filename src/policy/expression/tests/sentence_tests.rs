//! Error messages for invalid expressions, and their positions.

use super::*;

/// The source range of the first error, and its message.
fn first(source: &str) -> (String, String) {
    let errors = Expression::compile(source, &[Type::Bool]).expect_err(source);
    (source[errors[0].at.clone()].to_owned(), errors[0].message.clone())
}

fn said(cases: &[(&str, &str, &str)]) {
    for (source, at, sentence) in cases {
        let (place, message) = first(source);
        assert!(message.contains(sentence), "{source}: {message}");
        assert_eq!(place, *at, "{source}: {message}");
    }
}

#[test]
fn values_of_two_types_are_named_with_the_remedy() {
    said(&[
        ("zipcode == 94110", "zipcode == 94110", "`zipcode` is text and 94110 a whole number: write \"94110\""),
        ("94110 != zipcode", "94110 != zipcode", "94110 is a whole number and `zipcode` text: write \"94110\""),
        ("zipcode < 94110", "zipcode < 94110", "write int(zipcode)"),
        (
            "zipcode == duration",
            "zipcode == duration",
            "`zipcode` is text and `duration` a whole number: write int(zipcode)",
        ),
        ("duration == zipcode", "duration == zipcode", "write int(zipcode)"),
        ("zipcode in [94110]", "zipcode in [94110", "`zipcode` is text and 94110 a whole number: write \"94110\""),
        ("channel == true", "channel == true", "`channel` is text and true is not: write \"true\""),
        (
            "hba == 'true'",
            "hba == 'true'",
            "`hba` is true or false and 'true' text: write true without quotation marks",
        ),
        ("true == channel", "true == channel", "`channel` is text and true is not: write \"true\""),
        ("hba == 1", "hba == 1", "compare it with true or false"),
        ("hba == 'yes'", "hba == 'yes'", "compare it with true or false"),
        ("duration > '60'", "duration > '60'", "write 60 without quotation marks"),
        (
            "duration > 1.5",
            "duration > 1.5",
            "`duration` is a whole number and 1.5 a number with a fraction: write double(duration)",
        ),
        ("zipcode > 1.5", "zipcode > 1.5", "write double(zipcode)"),
        ("now > '2026-01-01T00:00:00Z'", "now > '2026-01-01T00:00:00Z'", "write timestamp('2026-01-01T00:00:00Z')"),
        (
            "now > 20",
            "now > 20",
            "`now` is a point in time and 20 a whole number: write `now.getHours(\"Europe/Berlin\")`",
        ),
        ("hba ? 'a' : 5", "'a' : 5", "'a' is text and 5 a whole number"),
        ("hba < true", "hba < true", "true and false have no order"),
        ("1 < 2 < 3", "1 < 2 < 3", "true or false and 3 a whole number"),
        (
            "size(channel) == '5'",
            "size(channel) == '5'",
            "`size(channel)` is a whole number and '5' text: write 5 without",
        ),
    ]);
}

#[test]
fn logic_takes_what_is_true_or_false() {
    said(&[
        ("channel", "channel", "this is text: a condition is true or false; compare it with something"),
        ("duration + 1", "duration + 1", "this is a whole number: a condition"),
        ("now", "now", "this is a point in time: a condition"),
        (
            "channel && hba",
            "channel",
            "`channel` is text, and `&&` takes what is true or false: compare it with something",
        ),
        (
            "channel == 'a' || 'b'",
            "'b'",
            "'b' is text, and `||` takes what is true or false: repeat the comparison, or write `NAME in",
        ),
        ("!channel == 'a'", "channel", "put what it denies in brackets"),
        ("!channel in ['a']", "channel", "put what it denies in brackets"),
        ("duration ? hba : hba", "duration", "`?` takes what is true or false"),
    ]);
    let wanted_number = Expression::compile("channel", &[Type::Int]).unwrap_err();
    assert!(wanted_number[0].message.contains("write `int(NAME)`"));
    assert!(Expression::compile("hba", &[Type::Int]).is_err());
    assert!(Expression::compile("channel", &[Type::Text]).is_err(), "nobody asks an expression for text");
}

#[test]
fn arithmetic_is_on_whole_numbers() {
    said(&[
        ("channel + 'x' == 'yx'", "channel", "`channel` is text, and `+` takes whole numbers: text cannot be joined"),
        ("device-type == 'tv'", "device", "a name cannot have a `-` in it"),
        ("-channel == 5", "channel", "`-` takes a whole number"),
        ("now - timestamp('2026-01-01T00:00:00Z') > 5", "now", "compare it with `timestamp"),
        ("duration * 1.5 > 2.0", "1.5", "fractions are only compared"),
        ("hba + 1 > 1", "hba", "write `NAME ? 1 : 0`"),
        ("duration / 0 == 1", "0", "division by 0"),
        ("duration % 0 == 1", "0", "division by 0"),
        ("duration == 99999999999999999999", "99999999999999999999", "does not fit into 64 bits"),
    ]);
}

#[test]
fn what_speaks_of_other_streams_is_not_monotone() {
    let sentence = "refers to one stream at a time. A rule that depended on the number of streams would not stay true when \
                    streams end: write `limit`, `count` or `per` instead";
    said(&[
        ("streams.size() < 3", "streams", sentence),
        ("count > 2", "count", sentence),
        ("size(activeStreams) > 2", "activeStreams", sentence),
        ("others.exists(s, s.channel == channel)", "others", sentence),
        ("other_streams == 2", "other_streams", sentence),
        ("hba && streamCount > 1", "streamCount", sentence),
    ]);
    assert!(Expression::compile("counter == 'a' && other == 'b' && streamCDN == 'c'", &BOTH).is_ok());
}

#[test]
fn what_has_no_place_in_a_condition_is_refused_with_what_to_write_instead() {
    said(&[
        (
            "stream.channel == 'a'",
            "stream.channel",
            "`stream` has no part `channel`: fields stand alone, as in `channel`",
        ),
        ("a.package == 5", "a.package", "`a` has no part `package`: fields stand alone"),
        ("package.a == 5", "package.a", "`package` has no part `a`: fields stand alone"),
        ("a.b.c == 'x'", "a.b.c", "no value has parts"),
        ("now.hour > 5", "now.hour", "write `now.getHours()`"),
        ("channel[0] == 'a'", "channel[0]", "no value has parts"),
        ("{'a': 1} == {'a': 1}", "{'a': 1}", "is not supported"),
        ("Stream{channel: 'a'} == 'b'", "{channel: 'a'}", "is not supported"),
        ("['a'] == ['a']", "['a']", "a list is allowed only on the right of `in`"),
        ("channel in []", "[]", "the list is empty"),
        ("'tv' in deviceType", "deviceType", "`deviceType` is not a list: write one"),
        ("channel in ['a', country]", "country", "`country` is not a literal"),
        ("hba in [true]", "true", "a list holds text or whole numbers"),
        ("genre.exists(g, g == 'x')", "exists", "`exists` requires a list"),
        ("['a'].all(x, x == channel)", "all", "requires a list"),
        ("has(channel)", "has", "write `missing:` at the rule"),
        ("has(stream.channel)", "has", "write `missing:` at the rule"),
        ("channel == null", "null", "write \"Unknown\" for what is missing"),
        ("channel == b'a'", "b'a'", "remove the `b`"),
        ("duration == 5u", "5u", "remove the `u`"),
        ("for == 'a'", "for", "a reserved word"),
        ("hba == True", "True", "`True` is not a value: write `true`"),
    ]);
}

#[test]
fn functions_are_named_as_they_are_written() {
    said(&[
        (
            "channel.startswith('a')",
            "channel.startswith('a')",
            "there is no function `startswith`: did you mean `startsWith`?",
        ),
        (
            "startsWith(channel, 'a')",
            "startsWith(channel, 'a')",
            "`startsWith` is written as NAME.startsWith(\"TEXT\")",
        ),
        ("channel.startsWith()", "channel.startsWith()", "is written as"),
        ("duration.startsWith('a')", "duration", "`duration` is a whole number, and `startsWith` takes text"),
        ("channel.startsWith(5)", "5", "5 is a whole number, and `startsWith` takes text"),
        ("channel.matches(country)", "country", "`country` is not a literal"),
        ("channel.matches('(')", "'('", "this is not a regular expression: unclosed group"),
        ("channel.matches('(?:a{1000}){1000}')", "'(?:a{1000}){1000}'", "the pattern is too costly"),
        ("channel.lowerAscii() == 'a'", "channel.lowerAscii()", "(?i)"),
        ("lookup(channel) == 'a'", "lookup(channel)", "there is no function `lookup`: there are startsWith"),
        ("not(hba)", "not(hba)", "write `!`"),
        ("int('abc') == 1", "'abc'", "'abc' is not a whole number"),
        ("int(1.5) == 1", "1.5", "`int` does not take that"),
        ("int(hba) == 1", "hba", "write `NAME ? 1 : 0`"),
        ("double('x') < 1.0", "'x'", "'x' is not a number"),
        ("now > timestamp('2026-01-01')", "'2026-01-01'", "write date, time and offset"),
        ("now > timestamp(channel)", "channel", "`channel` is not a literal"),
        ("duration('1h') == now", "duration('1h')", "durations are not supported"),
        ("getHours() > 5", "getHours()", "`getHours` is written as now.getHours()"),
        ("channel.getHours() > 5", "channel", "`getHours` applies to a point in time: write `now.getHours()`"),
        ("now.getHours('Berlin') > 5", "'Berlin'", "there is no time zone 'Berlin': did you mean \"Europe/Berlin\"?"),
        ("now.getHours('europe/berlin') > 5", "'europe/berlin'", "did you mean \"Europe/Berlin\"?"),
        ("now.getHours('Europe/Brelin') > 5", "'Europe/Brelin'", "did you mean \"Europe/Berlin\"?"),
        ("now.getHours('New York') > 5", "'New York'", "did you mean \"America/New_York\"?"),
        ("now.getHours('+25:00') > 5", "'+25:00'", "write one such as"),
        ("now.getHours('+2:00') > 5", "'+2:00'", "write one such as"),
        ("now.getHours(idp) > 5", "idp", "`idp` is not a literal"),
    ]);
}

#[test]
fn slips_of_other_languages_are_told_from_riddles() {
    said(&[
        ("contentType = 'live'", "=", "there is no `=` in expressions: write `==`"),
        ("contentType === 'live'", "===", "write `==`"),
        ("contentType <> 'live'", "<>", "write `!=`"),
        ("hba & hba", "&", "write `&&`"),
        ("hba | hba", "|", "write `||`"),
        ("hba and hba", "and", "there is no `and` in expressions: write `&&`"),
        ("hba OR hba", "OR", "there is no `OR` in expressions: write `||`"),
        ("not hba", "not", "write `!`"),
        ("channel not in ['a']", "not", "write `!(NAME in [\"A\", \"B\"])`"),
        ("channel == \u{201c}a\u{201d}", "\u{201c}", "is not a quotation mark here: write \""),
        ("channel == 'a", "'a", "the text that begins here is never closed"),
        ("channel.matches('\\d+')", "\\d", "write `\\\\d`, or r\"…\""),
        ("(hba", "(", "`(` is never closed: write `)`"),
        ("hba)", ")", "`)` closes nothing"),
        ("(hba]", "]", "`]` does not close `(`: write `)`"),
        ("$channel == 'a'", "$", "write a field's name alone"),
        ("straße == 'a'", "ß", "names consist of letters A to Z and a to z, digits and `_`"),
        ("hba ? hba", "", "`?` requires `:`"),
        ("hba ==", "", "the expression ends too early: something is missing after `==`"),
        ("== hba", "==", "an expression cannot begin with `==`"),
        ("hba mobileDevice", "mobileDevice", "an operator is missing between `hba` and `mobileDevice`"),
        ("hba && == 5", "==", "`==` cannot follow `&&`"),
        ("'é' == 'é'\n  hba", "hba", "an operator is missing between `'é'` and `hba`"),
        ("", "", "the expression is empty"),
        ("  // nothing", "  // nothing", "the expression is empty"),
    ]);
}

#[test]
fn every_error_is_reported_in_the_order_of_the_source() {
    let source = "zipcode == 5 && channel.startswith('a') || now > 3 && !country";
    let errors = Expression::compile(source, &BOTH).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| &source[error.at.clone()]).collect();
    assert_eq!(places, ["zipcode == 5", "channel.startswith('a')", "now > 3", "country"]);
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_at_once() {
    let sources = [
        "(".repeat(2000),
        "(".repeat(900) + "hba" + &")".repeat(900),
        "!".repeat(2000) + "hba",
        "-".repeat(2000) + "1",
        "!(".repeat(600) + "hba" + &")".repeat(600),
        "hba?".repeat(500),
        "hba?hba:".repeat(200) + "hba",
        "[".repeat(2000),
        "{".repeat(2000),
        "a[".repeat(900),
        "size(".repeat(400),
        "1+".repeat(1000) + "1 > 0",
        "a".to_owned() + &".a".repeat(1000),
        "a".to_owned() + &".size()".repeat(290),
        "hba&&".repeat(400) + "hba",
        "1<".repeat(1000) + "1",
        "[1].all(x,".repeat(180) + "hba" + &")".repeat(180),
        "hba ".repeat(500),
        "'".repeat(1999),
        "`".repeat(2000),
        "@".repeat(2000),
        ",".repeat(2000),
        "\u{1f600}".repeat(500),
        "x".repeat(2049),
    ];
    for source in sources {
        let errors = Expression::compile(&source, &BOTH).expect_err(&source);
        assert!(!errors[0].message.is_empty());
    }
    let (_, message) = first(&format!("channel in [{}]", "'a',".repeat(199)));
    assert!(message.contains("more than 200 names, values and operators: split it into two rules"), "{message}");
    let (_, message) = first(&("channel == '".to_owned() + &"x".repeat(2048) + "'"));
    assert!(message.contains("longer than 2048 bytes"), "{message}");
    for long in ["x", "'x' ", "f(", "now.getHours('x') > ", "int('x') + "] {
        let source = format!("{} == ", long.replace('x', &"x".repeat(1900)).replace('f', &"f".repeat(1900)));
        let errors = Expression::compile(&source, &BOTH).unwrap_err();
        assert!(errors.iter().all(|error| error.message.len() < 200), "{errors:?}");
    }
    let (_, message) = first(&("(".repeat(33) + "hba" + &")".repeat(33)));
    assert!(message.contains("more than 32 deep"), "{message}");
    let (_, message) = first(&format!("channel.matches('{}')", "x".repeat(1025)));
    assert!(message.contains("longer than 1024 bytes"), "{message}");
}

#[test]
fn what_is_as_long_and_as_deep_as_can_be_needs_little_stack() {
    let sources = [
        "(".repeat(32) + "hba" + &")".repeat(32),
        "!(".repeat(32) + "hba" + &")".repeat(32),
        "1+".repeat(98) + "1 > 0",
        "hba&&".repeat(99) + "hba",
        "hba?hba:".repeat(49) + "hba",
        "(hba?hba:".repeat(32) + &"hba?hba:".repeat(17) + "hba" + &")".repeat(32),
        "hba == ".repeat(99) + "hba",
        "!".repeat(199) + "hba",
        format!("channel in [{}'b']", "'a',".repeat(196)),
        "(1+".repeat(32) + &"1+".repeat(66) + "1" + &")".repeat(32) + " > 0",
    ];
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let thread = small.spawn(move || {
        for source in sources {
            let expression = compile(&source);
            let case = case(&[("hba", "true")]);
            case.look(|standing, carrier, scene, missing| {
                assert_ne!(expression.truth(standing, carrier, scene, missing), Truth::Pending, "{source}");
            });
        }
    });
    thread.unwrap().join().unwrap();
}
