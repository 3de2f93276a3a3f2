//! Thirty viewers for an evening, again and again.

use std::fmt::Write as _;
use std::time::Duration;

use streamgate::streams::Settings;

use crate::tally::{HEAD, Tally};
use crate::viewers::{Evening, LONGEST_SEGMENT, Tokens};

const SEEDS: u64 = 20;
const VERIFY: Duration = Duration::from_secs(10);

/// Lets twenty evenings pass and returns what came of them, with a table for people.
fn evenings(tokens: Tokens) -> (Tally, String) {
    let settings = Settings::default();
    let (mut total, mut table) = (Tally::default(), format!("{tokens:?}\nseed {HEAD}\n"));
    for seed in 0..SEEDS {
        let evening = Evening {
            seed,
            tokens,
            accounts: 10,
            viewers_each: 3,
            limit: 2,
            verify: VERIFY,
            lasts: Duration::from_hours(2),
        };
        let tally = evening.pass(&settings);
        let _ = writeln!(table, "{seed:4} {tally}");
        total += &tally;
    }
    let _ = writeln!(table, " all {total}");
    for trace in &total.traces {
        let _ = writeln!(table, "{trace}");
    }
    (total, table)
}

fn hold(tokens: Tokens) {
    let (total, table) = evenings(tokens);
    println!("{table}");
    assert!(total.refused_for_silent * 50 <= total.starts, "starts refused for the sake of silence\n{table}");
    assert_eq!(total.ended_wrongly, 0, "plays ended for nothing\n{table}");
    let most = u64::try_from(VERIFY.as_millis()).expect("short") + LONGEST_SEGMENT;
    assert!(total.too_many_at_most <= most, "more than the limit for too long\n{table}");
}

#[test]
fn nobody_waits_for_silence_where_tokens_name_the_device() {
    hold(Tokens::Device);
}

#[test]
fn nobody_waits_for_silence_where_each_viewer_keeps_a_token() {
    hold(Tokens::Own);
}

#[test]
fn nobody_waits_for_silence_where_every_start_has_a_token_of_its_own() {
    hold(Tokens::Fresh);
}

#[test]
fn nobody_waits_for_silence_where_an_account_has_one_token() {
    hold(Tokens::Shared);
}
