//! A file of blocks that changes.

use std::fs;
use std::time::Duration;

use streamgate::model::{Account, Device, StreamId};

use super::support::{House, START, soon};

pub(super) fn entry(subject: &str) -> String {
    format!("- account: {{ idp: i, subject: {subject} }}\n  until: forever\n  reason: Not today.\n")
}

pub(super) fn reason(house: &House, subject: &str) -> Option<String> {
    let blocks = house.key_sources.blocks().load_full();
    let account = Account::new("i", subject).key();
    let block = blocks.blocked(&account, &Device::Hint(0), None, StreamId([0; 16]), START);
    block.map(|block| block.reason.to_string())
}

#[tokio::test]
async fn blocks_come_and_go_with_their_file_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blocks.yaml");
    fs::write(&file, entry("alice")).unwrap();
    let house = House::run(|settings| settings.blocks_file = Some(file.clone()));
    let held = house.key_sources.blocks();
    assert_eq!(reason(&house, "alice").as_deref(), Some("Not today."));
    fs::write(&file, entry("bob")).unwrap();
    house.key_sources.reread();
    assert_eq!((reason(&house, "alice"), reason(&house, "bob").is_some()), (None, true));
    for broken in ["- account: {", "- account: { idp: i, subject: alice }\n", "\0"] {
        fs::write(&file, broken).unwrap();
        house.key_sources.reread();
        assert!(reason(&house, "bob").is_some(), "{broken:?}");
    }
    fs::remove_file(&file).unwrap();
    house.key_sources.reread();
    assert!(held.load().is_empty(), "the one who holds the set sees it change");
    fs::write(&file, entry("bob")).unwrap();
    house.key_sources.reread();
    assert!(reason(&house, "bob").is_some(), "back again");
}

#[tokio::test]
async fn the_file_is_looked_at_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blocks.yaml");
    let house = House::run(|settings| {
        settings.blocks_file = Some(file.clone());
        settings.pace.files = Duration::from_millis(5);
    });
    assert_eq!(reason(&house, "alice"), None, "no file, no blocks");
    fs::write(&file, entry("alice")).unwrap();
    soon(async {
        while reason(&house, "alice").is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
