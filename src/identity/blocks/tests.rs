#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::{Account, ApplicationId};

const NOW: Millis = Millis(1_000_000);
const STREAM: StreamId = StreamId([7; 16]);

fn account() -> AccountKey {
    Account::new("idp", "alice").key()
}

fn tv() -> Device {
    Device::Named("tv".into())
}

fn token() -> TokenId {
    TokenId::named(&ApplicationId("app".into()), "t-1")
}

fn block(blocked: Blocked, until: Option<Millis>) -> Block {
    Block { blocked, until, reason: format!("until {until:?}").into() }
}

fn all() -> [Blocked; 4] {
    [
        Blocked::Account(account()),
        Blocked::Device(account(), "tv".into()),
        Blocked::Token(token()),
        Blocked::Session(STREAM),
    ]
}

#[test]
fn an_entry_matches_what_it_names_and_nothing_else() {
    let bob = Account::new("idp", "bob").key();
    for blocked in all() {
        let blocks = Blocks::new([block(blocked.clone(), None)]);
        let found = blocks.blocked(&account(), &tv(), Some(token()), STREAM, NOW).unwrap();
        assert_eq!(found.blocked, blocked);
        let other = TokenId::named(&ApplicationId("app2".into()), "t-1");
        let phone = Device::Named("phone".into());
        assert_eq!(blocks.blocked(&bob, &phone, Some(other), StreamId([8; 16]), NOW), None, "{blocked:?}");
    }
    let blocks = Blocks::new([block(Blocked::Device(account(), "tv".into()), None)]);
    assert_eq!(blocks.blocked(&account(), &Device::Hint(1), None, STREAM, NOW), None, "a hint names no device");
    assert_eq!(blocks.blocked(&bob, &tv(), None, STREAM, NOW), None, "another account's device of that name");
}

#[test]
fn an_entry_ends_at_its_time_and_not_before() {
    for blocked in all() {
        let blocks = Blocks::new([block(blocked, Some(NOW))]);
        let at = |now| blocks.blocked(&account(), &tv(), Some(token()), STREAM, now).is_some();
        assert!(at(Millis(NOW.0 - 1)));
        assert!(!at(NOW));
    }
}

#[test]
fn of_two_entries_about_one_the_longer_counts_whatever_their_order() {
    let (short, long) = (Some(NOW + std::time::Duration::from_secs(1)), Some(NOW + std::time::Duration::from_secs(9)));
    for blocked in all() {
        for (one, other, kept) in [(short, long, long), (long, short, long), (long, None, None), (None, short, None)] {
            let blocks = Blocks::new([block(blocked.clone(), one)]).with([block(blocked.clone(), other)]);
            assert_eq!(blocks.len(), 1);
            assert_eq!(blocks.blocked(&account(), &tv(), Some(token()), STREAM, NOW).unwrap().until, kept);
        }
    }
}

#[test]
fn an_entry_that_has_run_out_does_not_hide_one_that_holds() {
    let blocks = Blocks::new([block(Blocked::Account(account()), Some(NOW)), block(Blocked::Session(STREAM), None)]);
    let found = blocks.blocked(&account(), &tv(), None, STREAM, NOW).unwrap();
    assert_eq!(found.blocked, Blocked::Session(STREAM));
}

#[test]
fn a_set_grows_into_another_and_stays_itself() {
    let none = Blocks::default();
    let some = none.with([block(Blocked::Token(token()), None)]);
    assert!(none.is_empty() && !some.is_empty());
    assert!(none.blocked(&account(), &tv(), Some(token()), STREAM, NOW).is_none());
    assert!(some.blocked(&account(), &tv(), Some(token()), STREAM, NOW).is_some());
}

#[test]
fn a_device_with_a_long_name_is_shut_out_whether_its_name_was_shortened_or_not() {
    let name = "tv-".repeat(100);
    let blocks = Blocks::new([block(Blocked::device(account(), &name), None)]);
    let shortened = bounded(&name, MAX_DEVICE).into_owned();
    for name in [name, shortened] {
        assert!(
            blocks.blocked(&account(), &Device::Named(name.as_str().into()), None, STREAM, NOW).is_some(),
            "{name}"
        );
    }
}
