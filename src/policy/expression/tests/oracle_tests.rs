//! Every accepted expression has the same meaning as in the interpreter of the `cel` crate.

use cel::{Context, Program, Value};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const TEXTS: [&str; 4] = ["channel", "deviceType", "country", "zipcode"];
const BOOLS: [&str; 2] = ["hba", "mobileDevice"];
const VALUES: [&str; 9] = ["", "tv", "sport", "sport1", "Sport", "01067", "-5", "1.5", "é😀"];
const PATTERNS: [&str; 5] = ["^sport", "[0-9]+$", "(?i)^SPORT$", "p.r", ""];
const ZONES: [&str; 7] = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "+05:45", "-11:30", "02:00"];
const CLOCK: [&str; 10] = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

fn quoted() -> impl Strategy<Value = String> {
    select(&VALUES[..]).prop_map(|value| format!("'{value}'"))
}

fn relation() -> impl Strategy<Value = &'static str> {
    select(&["==", "!=", "<", "<=", ">", ">="][..])
}

/// In UTC only: that interpreter uses the written offset for local time, whereas CEL uses UTC.
fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("now".to_owned()),
        select(&["2026-07-01T21:30:15.25Z", "1969-12-31T23:59:59Z", "2100-02-28T12:00:00.5Z"][..])
            .prop_map(|time| format!("timestamp('{time}')")),
    ]
}

fn literal() -> impl Strategy<Value = i64> {
    prop_oneof![1..=9i64, -3600..=3600i64, Just(i64::MAX), Just(i64::MIN + 1)]
}

fn text(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![4 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => quoted()];
    if depth == 0 {
        return leaf.boxed();
    }
    let choice =
        (test(depth - 1), text(depth - 1), text(depth - 1)).prop_map(|(when, a, b)| format!("({when} ? {a} : {b})"));
    prop_oneof![6 => leaf, 1 => choice].boxed()
}

fn int(depth: u32) -> BoxedStrategy<String> {
    let part = (time(), select(&CLOCK[..]), proptest::option::of(select(&ZONES[..]))).prop_map(|(time, part, zone)| {
        let zone = zone.map(|zone| format!("'{zone}'")).unwrap_or_default();
        format!("{time}.{part}({zone})")
    });
    let leaf = prop_oneof![
        3 => Just("duration".to_owned()),
        3 => literal().prop_map(|n| n.to_string()),
        2 => part,
        2 => select(&TEXTS[..]).prop_map(|text| format!("int({text})")),
        2 => text(0).prop_map(|text| format!("size({text})")),
        1 => text(0).prop_map(|text| format!("{text}.size()")),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let operation = select(&["+", "-", "*", "/", "%"][..]);
    let sum = (int(depth - 1), operation, int(depth - 1)).prop_map(|(a, sign, b)| format!("({a} {sign} {b})"));
    let choice =
        (test(depth - 1), int(depth - 1), int(depth - 1)).prop_map(|(when, a, b)| format!("({when} ? {a} : {b})"));
    let negative = int(depth - 1).prop_map(|int| format!("-({int})"));
    prop_oneof![4 => leaf, 4 => sum, 1 => choice, 1 => negative].boxed()
}

fn double() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&["1.5", "0.0", "-5.0", "1e3"][..]).prop_map(str::to_owned),
        select(&TEXTS[..]).prop_map(|text| format!("double({text})")),
        int(0).prop_map(|int| format!("double({int})")),
    ]
}

fn test(depth: u32) -> BoxedStrategy<String> {
    let compared = |(a, sign, b): (String, &str, String)| format!("{a} {sign} {b}");
    let leaf = prop_oneof![
        1 => select(&["true", "false"][..]).prop_map(str::to_owned),
        3 => select(&BOOLS[..]).prop_map(str::to_owned),
        3 => (text(0), relation(), text(0)).prop_map(compared),
        2 => (int(0), relation(), int(0)).prop_map(compared),
        1 => (double(), relation(), double()).prop_map(compared),
        1 => (time(), relation(), time()).prop_map(compared),
        2 => (text(0), proptest::collection::vec(quoted(), 1..4)).prop_map(|(a, list)| format!("{a} in [{}]", list.join(", "))),
        1 => (int(0), proptest::collection::vec(literal(), 1..4)).prop_map(|(a, list)| format!("{a} in {list:?}")),
        2 => (text(0), select(&["startsWith", "endsWith", "contains"][..]), text(0)).prop_map(|(a, name, b)| format!("{a}.{name}({b})")),
        1 => (text(0), select(&PATTERNS[..])).prop_map(|(a, pattern)| format!("{a}.matches('{pattern}')")),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let logical = (test(depth - 1), select(&["&&", "||"][..]), test(depth - 1))
        .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"));
    let chain =
        (test(depth - 1), test(depth - 1), test(depth - 1)).prop_map(|(a, b, c)| format!("({a} && {b} || {c})"));
    let not = test(depth - 1).prop_map(|a| format!("!({a})"));
    let choice =
        (test(depth - 1), test(depth - 1), test(depth - 1)).prop_map(|(when, a, b)| format!("({when} ? {a} : {b})"));
    let same = (test(depth - 1), select(&["==", "!="][..]), test(depth - 1))
        .prop_map(|(a, sign, b)| format!("(({a}) {sign} ({b}))"));
    let texts = (text(depth - 1), relation(), text(depth - 1)).prop_map(compared);
    let ints = (int(depth - 1), relation(), int(depth - 1)).prop_map(compared);
    prop_oneof![2 => leaf, 4 => logical, 2 => chain, 2 => not, 1 => choice, 1 => same, 1 => texts, 2 => ints].boxed()
}

/// The stream's value of each field used by the expressions.
#[derive(Clone, Debug)]
struct Stream {
    texts: Vec<Option<&'static str>>,
    bools: Vec<Option<bool>>,
    duration: Option<i64>,
    now: u64,
}

fn stream() -> impl Strategy<Value = Stream> {
    // An empty value counts as missing.
    let texts = proptest::collection::vec(proptest::option::of(select(&VALUES[1..])), TEXTS.len());
    let bools = proptest::collection::vec(proptest::option::of(any::<bool>()), BOOLS.len());
    let now = prop_oneof![Just(NOW.0), 0..4_000_000_000_000u64];
    let stream = (texts, bools, proptest::option::of(literal()), now);
    stream.prop_map(|(texts, bools, duration, now)| Stream { texts, bools, duration, now })
}

impl Stream {
    fn ours(&self, source: &str) -> Option<bool> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        pairs.extend(TEXTS.iter().zip(&self.texts).filter_map(|(name, value)| Some((*name, (*value)?.to_owned()))));
        pairs.extend(BOOLS.iter().zip(&self.bools).filter_map(|(name, value)| Some((*name, (*value)?.to_string()))));
        pairs.extend(self.duration.map(|duration| ("duration", duration.to_string())));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let expression = compile(source);
        let Tree::Test(test) = &*expression.tree else { panic!("{source}") };
        let case = Case { now: Millis(self.now), ..case(&pairs) };
        case.look(|standing, carrier, scene, missing| {
            test.evaluate(&EvalInput { standing, carrier, scene, missing }).ok()
        })
    }

    fn theirs(&self, source: &str) -> Option<bool> {
        let mut context = Context::default();
        for (name, value) in TEXTS.iter().zip(&self.texts) {
            context.add_variable_from_value(*name, value.unwrap_or("Unknown"));
        }
        for (name, value) in BOOLS.iter().zip(&self.bools) {
            if let Some(value) = value {
                context.add_variable_from_value(*name, *value);
            }
        }
        self.duration.iter().for_each(|value| context.add_variable_from_value("duration", *value));
        let now = chrono::DateTime::from_timestamp_millis(i64::try_from(self.now).unwrap()).unwrap();
        context.add_variable_from_value("now", Value::Timestamp(now.fixed_offset()));
        match Program::compile(source).unwrap().execute(&context) {
            Ok(Value::Bool(value)) => Some(value),
            Ok(other) => panic!("{source}: {other:?}"),
            Err(_) => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_means_what_the_interpreter_of_cel_says(source in test(3), stream in stream()) {
        prop_assume!(scan::scan(&source).is_ok());
        prop_assert_eq!(stream.ours(&source), stream.theirs(&source), "{}", source);
    }

    /// Never panics, never takes long, always gives a reason; every accepted expression is valid CEL.
    #[test]
    fn any_text_is_let_in_or_refused_with_places_in_it(source in "[a-c0-9 .,()\\[\\]{}?:!<>=&|+*/%'\"\\\\é-]{0,40}") {
        match Expression::compile(&source, &BOTH) {
            Ok(_) => prop_assert!(Program::compile(&source).is_ok(), "{}", source),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(source.get(error.at.clone()).is_some(), "{:?}", error);
                    prop_assert!(!error.message.is_empty() && error.message.len() < 400, "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn words_in_any_order_are_let_in_or_refused(
        words in proptest::collection::vec(select(&[
            "channel", "hba", "duration", "now", "streams", "'a'", "5", "1.5", "true", "==", "<", "&&", "||", "!", "-", "+", "?",
            ":", "in", "(", ")", "[", "]", ".", ",", "size", "startsWith", "getHours", "int", "package", "not", "and", "has", "null",
        ][..]), 0..14)
    ) {
        let source = words.join(" ");
        match Expression::compile(&source, &BOTH) {
            Ok(_) => prop_assert!(Program::compile(&source.replace("package", "p")).is_ok(), "{}", source),
            Err(errors) => prop_assert!(errors.iter().all(|error| source.get(error.at.clone()).is_some()), "{:?}", errors),
        }
    }
}
