//! Going through accounts page by page.

use std::collections::BTreeSet;

use streamgate::streams::{AdmissionOutcome, Cause, Settings};

use super::support::{account, at, candidate, household, is_admitted, table};

#[tokio::test]
async fn pages_are_in_order_and_forget_accounts_that_are_forgotten() {
    let (settings, policies) = (Settings::default(), household(1));
    let (table, _) = table(&settings);
    for subject in 0..600 {
        let start = candidate(subject, 0, "/a", at(0));
        assert!(is_admitted(&table.start(&start, &policies, &settings, at(0)).await.unwrap()));
    }
    let mut keys = Vec::new();
    while let page = table.page(keys.last().copied(), 7)
        && !page.is_empty()
    {
        assert!(page.iter().all(|(key, account, record)| *key == account.key() && record.streams().len() == 1));
        keys.extend(page.into_iter().map(|(key, ..)| key));
    }
    assert!(keys.is_sorted());
    let all: BTreeSet<_> = (0..600).map(|subject| account(subject).key()).collect();
    assert_eq!(keys.iter().copied().collect::<BTreeSet<_>>(), all);

    let one = candidate(3, 0, "/a", at(0));
    assert!(table.end(&one.account, one.stream, &Cause::Stopped, at(1)).await.unwrap());
    let (known, record) = table.peek(&one.account.key()).unwrap();
    assert_eq!((known, record.tombstones().len()), (one.account.clone(), 1));
    table.tick(at(10_000));
    table.tick(at(20_000));
    assert!(table.peek(&one.account.key()).is_none());
    assert!(table.page(None, 10).is_empty());
}

#[tokio::test]
async fn looking_at_an_account_that_nobody_knows_leaves_nothing_behind() {
    let (table, _) = table(&Settings::default());
    assert!(table.peek(&account(1).key()).is_none());
    assert!(table.page(None, 10).is_empty());
}

#[tokio::test]
async fn a_full_table_lists_no_account_that_it_gave_up() {
    let settings = Settings { capacity: 50, ..Settings::default() };
    let policies = household(1);
    let (table, _) = table(&settings);
    for subject in 0..1000 {
        let start = candidate(subject, 0, "/a", at(0));
        let admission = table.start(&start, &policies, &settings, at(0)).await.unwrap();
        let AdmissionOutcome::Admitted { stream, .. } = admission else { panic!("{admission:?}") };
        // So that the account may go.
        assert!(table.end(&start.account, stream.id, &Cause::Stopped, at(0)).await.unwrap());
    }
    table.tick(at(1));
    table.tick(at(2));
    let mut known = 0;
    table.each(&mut |_, _| known += 1);
    assert_eq!(table.page(None, 1000).len(), known);
    assert_eq!(known, 50);
}
