//! Thirty viewers for an evening, again and again.

use std::fmt::Write as _;
use std::time::Duration;

use streamgate::streams::Settings;

use super::tally::{HEAD, Tally};
use super::viewers::{Evening, LONGEST_SEGMENT, Tokens};

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

/// How far the table may be from what nobody could do better. Aims: 20 ‰ refused for silence, nobody ended wrongly, no
/// over-admission longer than `verify` and a segment. Where tokens name no device that cannot all be had: a player that asks once in
/// 50 s is silent for longer than `verify`, and clients of one network, agent and token that start the same together are one.
struct Bounds {
    /// Starts refused for the sake of streams that had fallen silent, of a thousand.
    refused: u64,
    /// Plays ended while no more watched than may, of a thousand starts.
    wrongly: u64,
    /// The longest over-admission, in milliseconds.
    longest: u64,
}

fn hold(tokens: Tokens, bounds: &Bounds) {
    let (total, table) = evenings(tokens);
    println!("{table}");
    assert!(
        total.refused_for_silent * 1000 <= total.starts * bounds.refused,
        "refused for the sake of silence\n{table}"
    );
    assert!(total.ended_wrongly * 1000 <= total.starts * bounds.wrongly, "plays ended for nothing\n{table}");
    assert!(total.too_many_at_most <= bounds.longest, "more than the limit for too long\n{table}");
}

#[test]
fn hardly_anybody_waits_for_silence_where_tokens_name_the_device() {
    let one_request_more = 4_000;
    let verify = u64::try_from(VERIFY.as_millis()).expect("short");
    let longest = verify + LONGEST_SEGMENT + one_request_more;
    hold(Tokens::Device, &Bounds { refused: 20, wrongly: 0, longest });
}

#[test]
fn few_wait_for_silence_where_each_viewer_keeps_a_token() {
    hold(Tokens::Own, &Bounds { refused: 20, wrongly: 1, longest: 120_000 });
}

#[test]
fn few_wait_for_silence_where_every_start_has_a_token_of_its_own() {
    hold(Tokens::Fresh, &Bounds { refused: 20, wrongly: 1, longest: 120_000 });
}

#[test]
fn few_wait_for_silence_where_an_account_has_one_token() {
    hold(Tokens::Shared, &Bounds { refused: 20, wrongly: 3, longest: 120_000 });
}
