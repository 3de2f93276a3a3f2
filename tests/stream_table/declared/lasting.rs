//! What outlasts a silence or a restart.

use streamgate::streams::account::PolicyContext;
use streamgate::streams::{Cadence, Client, SharingVerdict, State};

use super::*;

#[tokio::test]
async fn a_stream_that_is_heard_of_again_competes_and_keeps_its_start() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    house.table.tick(at(100));
    assert_eq!(house.running(at(100)), 0);
    let back = house.revive(&stream, at(101)).await;
    assert!(matches!(back, Some(AdmissionOutcome::Admitted { stream, created: true }) if stream.started == at(0)));
    assert!(stream.heartbeat_declared(at(102)));
    assert!(stream.holds(&house.settings, at(102 + SILENCE - 1)) && !stream.holds(&house.settings, at(102 + SILENCE)));

    let other = house.declare(2, at(200)).await;
    assert!(matches!(house.revive(&stream, at(201)).await, Some(AdmissionOutcome::Refused(Refusal::Policy { .. }))));
    assert!(house.stop(&other, at(202)).await);
    assert!(matches!(house.revive(&stream, at(203)).await, Some(AdmissionOutcome::Admitted { created: true, .. })));
    assert_eq!(house.running(at(203)), 1);
    assert!(house.stop(&stream, at(204)).await);
    assert!(house.revive(&stream, at(205)).await.is_none(), "what has ended does not come back");
}

#[tokio::test]
async fn a_live_stream_whose_media_has_passed_here_competes_at_its_applications_word() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    let who = AdmissionRequest { stream: stream.id, ..viewing("tv", "/live.m3u8", &[], at(1)) };
    house.play(&who, at(1)).await;
    stream.learn(&Cadence { live: true, segment: Some(Duration::from_secs(4)), ..Cadence::default() }, &house.settings);
    stream.heartbeat(Signal::Presence, at(80));
    assert_eq!(stream.state(&house.settings, at(85)), State::Playing, "an application that says so plays");
    house.table.tick(at(200));
    assert_eq!(house.running(at(200)), 0);
    assert!(matches!(house.revive(&stream, at(201)).await, Some(AdmissionOutcome::Admitted { created: true, .. })));
    assert!(stream.heartbeat_declared(at(202)));
}

#[tokio::test]
async fn whether_a_stream_keeps_its_policies_changes_with_what_else_plays() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    let law = PolicyContext { policies: &house.policies, settings: &house.settings, idp: "acme" };
    let keeps = async |now| {
        let record = house.table.record(&account(0), now).await.expect("an embedded table answers");
        StreamTable::keeps_policies(&record, &stream, &law, now)
    };
    assert!(keeps(at(1)).await);
    assert!(keeps(at(100)).await, "silent, it would be admitted again");
    house.declare(2, at(101)).await;
    assert!(!keeps(at(102)).await);
}

#[tokio::test]
async fn declared_streams_and_what_is_remembered_of_them_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let house = House::of(3);
    let known = [("deviceId", "tablet"), ("assetId", "film")];
    let stream = house.admitted(house.declared(&declaration(1, &known, at(0)), &[], false, at(0)).await);
    let silent = house.declare(2, at(0)).await;
    let killed = house.declare(3, at(0)).await;
    assert!(stream.heartbeat_declared(at(60)));
    let kills = [(killed.id, Arc::from("code"))];
    let newest = house.admitted(house.declared(&declaration(4, &[], at(65)), &kills, false, at(65)).await);
    house.table.save(&file, &house.settings, at(100)).expect("a snapshot");

    let after = House::of(2);
    after.table.restore(&file, at(110)).expect("a readable file");
    assert_eq!(after.running(at(110)), 2);
    let back = |id| after.table.find(&account(0).key(), id).expect("it is known");
    let restored = back(stream.id);
    assert_eq!((restored.started, restored.attributes()), (at(0), stream.attributes()));
    assert!(!back(silent.id).heartbeat_declared(at(111)), "it had fallen silent");
    let told = after.ended(killed.id, at(111)).await.expect("it is remembered");
    assert!(matches!(told.cause, Cause::Killed { by: Some(by), .. } if by.stream == newest.id));
    // The time that the gateway was away is not held against it; its own windows go on.
    assert_eq!(restored.slot_until(&after.settings, at(110)), Some(at(110 + SILENCE)));
    let quick = Settings { interval: Duration::from_secs(3), grace: Duration::from_secs(2), ..after.settings.clone() };
    assert_eq!(restored.slot_until(&quick, at(110)), Some(at(115)), "no window of a player's keeps it");
    assert!(restored.heartbeat_declared(at(120)));
    // And its player finds it.
    let joined = after.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(121)), at(121)).await;
    assert!(Arc::ptr_eq(&joined, &restored));
}

#[tokio::test]
async fn an_application_that_speaks_for_a_stream_says_nothing_of_who_uses_its_media() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    let who = AdmissionRequest { stream: stream.id, ..viewing("tv", "/live.m3u8", &[], at(0)) };
    let client = |n| Client::new(n, b"player");
    let asks = |stream: &Stream, n, now| stream.classify_client(client(n), || Some(1), &house.settings, now);
    assert_eq!(asks(&stream, 1, at(0)), SharingVerdict::Owner);
    house.play(&who, at(0)).await;
    for minute in 1..10 {
        assert!(stream.heartbeat_declared(at(60 * minute)));
    }
    // After a long silence of its player another network is simply where the player is now.
    assert_eq!(asks(&stream, 2, at(600)), SharingVerdict::Owner);
    assert_eq!(asks(&stream, 2, at(601)), SharingVerdict::Owner);
}
