use super::*;
use crate::streams::store::InMemoryStore;
use crate::streams::{NoopObserver, Settings};

const NOW: Millis = Millis(1_793_732_400_000);

fn orders() -> Orders {
    let store = Arc::new(InMemoryStore::new(Settings::default(), Arc::new(NoopObserver)));
    Orders::new(Arc::new(StreamTable::new(store, Arc::new(NoopObserver))), |_| {})
}

fn order() -> Order {
    let until = Millis(NOW.0 + 60_000);
    Order { until, reason: "shared with the whole street".into(), by: "ops".into(), at: NOW, number: 0 }
}

fn whom(subject: &str) -> Target {
    Target::Account { idp: "acme".into(), subject: subject.into() }
}

#[test]
fn an_entry_that_is_damaged_costs_no_other_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("streams.snapshot");
    let file = Orders::beside(&snapshot);
    assert_eq!(orders().set(Kind::Block, whom("alice"), order(), Some(&snapshot), NOW), Ok(Kept::OverRestarts));
    let whole = std::fs::read_to_string(&file).unwrap();
    let cut = whole.replace("\"blocks\":[", "\"blocks\":[{\"whom\":7},");
    assert_ne!(cut, whole);
    for (written, expected) in [
        (whole.as_str(), Restored { orders: 1, damaged: 0 }),
        (&cut, Restored { orders: 1, damaged: 1 }),
        ("{ no JSON", Restored { orders: 0, damaged: 1 }),
    ] {
        std::fs::write(&file, written).unwrap();
        let restored = orders();
        assert_eq!(restored.restore(&snapshot, NOW).unwrap(), expected, "{written}");
        assert_eq!(restored.find(Kind::Block, &whom("alice"), NOW).is_some(), expected.orders == 1);
        // The next change overwrites what could be read, never what could not.
        restored.set(Kind::Exemption, whom("bob"), order(), Some(&snapshot), NOW).unwrap();
        if expected.damaged > 0 {
            assert_eq!(std::fs::read_to_string(Orders::damaged(&snapshot)).unwrap(), written);
        }
        let again = orders().restore(&snapshot, NOW).unwrap();
        assert_eq!(again, Restored { orders: expected.orders + 1, damaged: 0 });
    }
}

#[test]
fn an_older_page_never_takes_the_place_of_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("streams.snapshot");
    let orders = orders();
    let (first, early) = orders.book.lock().turn();
    orders.set(Kind::Block, whom("alice"), order(), Some(&snapshot), NOW).unwrap();
    orders.write(first, &early, &snapshot).unwrap();
    assert!(std::fs::read_to_string(Orders::beside(&snapshot)).unwrap().contains("alice"));
}
