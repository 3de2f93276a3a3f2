//! One play that both its application and its media speak of is one stream.

use super::*;

const FILM: [(&str, &str); 2] = [("assetId", "film"), ("deviceId", "tablet")];

#[tokio::test]
async fn media_under_the_name_that_was_issued_belongs_to_the_stream_that_was_declared() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    let who = AdmissionRequest { stream: stream.id, ..viewing("tv", "/film/main.mpd", &[], at(1)) };
    let joined = house.play(&who, at(1)).await;
    assert!(Arc::ptr_eq(&stream, &joined));
    assert_eq!(house.running(at(1)), 1);
    // Silence of the application is no silence of the stream, and the other way round.
    assert!(stream.heartbeat(Signal::Playback, at(85)) && stream.holds(&house.settings, at(95)));
    assert!(stream.heartbeat_declared(at(100)));
    house.table.tick(at(180));
    assert!(stream.holds(&house.settings, at(189)) && !stream.holds(&house.settings, at(190)));
}

#[tokio::test]
async fn a_viewer_who_plays_what_the_application_has_declared_on_that_device_goes_on_with_it() {
    let house = House::of(1);
    let stream = house.admitted(house.declared(&declaration(1, &FILM, at(0)), &[], false, at(0)).await);
    let joined = house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(2)), at(2)).await;
    assert!(Arc::ptr_eq(&stream, &joined));
    assert_eq!(house.running(at(2)), 1);
    // Requests that carry nothing but a token belong to what their device plays.
    let (key, tv) = (account(0).key(), ApplicationId("tv".into()));
    let found = house.table.find_of_device(&key, &tv, &Device::Named("tablet".into()));
    assert!(found.is_some_and(|found| Arc::ptr_eq(&found, &stream)));
    assert!(house.table.find_of_device(&key, &tv, &Device::Named("phone".into())).is_none());
}

#[tokio::test]
async fn another_asset_another_device_or_nothing_named_is_another_stream() {
    for (known, device, token) in [
        (vec![("assetId", "film"), ("deviceId", "tablet")], "tablet", vec![("assetId", "series")]),
        (vec![("assetId", "film"), ("deviceId", "tablet")], "phone", vec![("assetId", "film")]),
        (vec![("channel", "one"), ("deviceId", "tablet")], "tablet", vec![("channel", "two")]),
        (vec![("channel", "one"), ("assetId", "film"), ("deviceId", "tablet")], "tablet", vec![("channel", "one")]),
        (vec![("deviceId", "tablet")], "tablet", vec![]),
        (vec![("assetId", "film")], "tablet", vec![("assetId", "film")]),
    ] {
        let house = House::of(2);
        let declared = house.admitted(house.declared(&declaration(1, &known, at(0)), &[], false, at(0)).await);
        let played = house.play(&viewing(device, "/main.mpd", &token, at(1)), at(1)).await;
        assert!(declared.id != played.id && declared.heartbeat_declared(at(2)), "{known:?} {device} {token:?}");
        assert_eq!(house.running(at(2)), 2, "a start by traffic supersedes nothing that was declared");
    }
    let house = House::of(2);
    house.declared(&declaration(1, &[("channel", "one"), ("deviceId", "tablet")], at(0)), &[], false, at(0)).await;
    house.play(&viewing("tablet", "/one.m3u8", &[("channel", "one")], at(1)), at(1)).await;
    assert_eq!(house.running(at(1)), 1, "where neither names an asset, the channel counts");
}

#[tokio::test]
async fn an_application_that_declares_what_plays_already_is_given_that_stream() {
    let house = House::of(1);
    let playing = house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0)), at(0)).await;
    let who = declaration(1, &[("assetId", "film"), ("deviceId", "tablet"), ("deviceName", "Den")], at(5));
    let answer = house.declared(&who, &[], true, at(5)).await;
    assert!(matches!(&answer, AdmissionOutcome::Admitted { stream, created: false } if Arc::ptr_eq(stream, &playing)));
    assert_eq!(playing.attributes().get("deviceName"), Some("Den"));
    assert!(playing.is_declared() && playing.holds(&house.settings, at(5 + SILENCE - 1)));
    assert_eq!(house.running(at(5)), 1);
    let again = house.declared(&AdmissionRequest { stream: StreamId([0x99; 16]), ..who }, &[], false, at(6)).await;
    assert!(matches!(again, AdmissionOutcome::Refused(_)), "a second declaration is a second stream");
}

#[tokio::test]
async fn a_play_is_joined_even_by_a_start_that_kills_another_and_then_the_other_ends() {
    let house = House::of(2);
    let playing = house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0)), at(0)).await;
    let other = house.declare(1, at(1)).await;
    let kills = [(other.id, Arc::from("code"))];
    let answer = house.declared(&declaration(2, &FILM, at(2)), &kills, false, at(2)).await;
    assert!(matches!(&answer, AdmissionOutcome::Admitted { stream, created: false } if Arc::ptr_eq(stream, &playing)));
    assert_eq!(playing.attributes().get("superseded"), Some("code"));
    assert!(matches!(house.ended(other.id, at(3)).await, Some(Ended { cause: Cause::Killed { .. }, .. })));
    assert_eq!(house.running(at(3)), 1);
    // Who names the play itself wants it gone.
    let house = House::of(1);
    let playing = house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0)), at(0)).await;
    let kills = [(playing.id, Arc::from("code"))];
    let answer = house.declared(&declaration(2, &FILM, at(2)), &kills, false, at(2)).await;
    assert!(matches!(answer, AdmissionOutcome::Admitted { created: true, .. }));
    assert!(!playing.heartbeat(Signal::Playback, at(3)));
    assert_eq!(house.running(at(3)), 1);
}

#[tokio::test]
async fn of_two_declarations_at_once_one_is_given_the_play_and_the_other_is_a_stream_of_its_own() {
    let house = Arc::new(House::of(2));
    house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0)), at(0)).await;
    let starts = [1, 2].map(|n| {
        let house = house.clone();
        tokio::spawn(async move {
            let answer = house.declared(&declaration(n, &FILM, at(1)), &[], false, at(1)).await;
            matches!(answer, AdmissionOutcome::Admitted { created: true, .. })
        })
    });
    let mut created = 0;
    for start in starts {
        created += usize::from(start.await.expect("a start ends"));
    }
    assert_eq!((created, house.running(at(1))), (1, 2));
}

#[tokio::test]
async fn what_was_declared_stays_frozen_whatever_its_media_is_called() {
    let house = House::of(1);
    let known = [("assetId", "film"), ("deviceId", "tablet"), ("channel", "one")];
    let stream = house.admitted(house.declared(&declaration(1, &known, at(0)), &[], false, at(0)).await);
    house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(1)), at(1)).await;
    let told = stream.attribute_update(&attributes(&[("channel", "two")]), "/film/main.mpd");
    assert_eq!((told.attributes, told.frozen), (None, vec!["channel"]));
}

#[tokio::test]
async fn an_origins_error_takes_no_stream_back_that_its_application_has_declared() {
    let house = House::of(1);
    let stream =
        house.admitted(house.start(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0)), at(0)).await);
    house.admitted(house.declared(&declaration(1, &FILM, at(1)), &[], false, at(1)).await);
    house.table.roll_back(&account(0), stream.id, at(2)).await.expect("an embedded table answers");
    assert!(stream.heartbeat_declared(at(3)));
    assert_eq!(house.running(at(3)), 1);
}

#[tokio::test]
async fn a_stream_that_its_application_stops_is_over_for_its_player_too() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    let who = AdmissionRequest { stream: stream.id, ..viewing("tv", "/film/main.mpd", &[], at(1)) };
    house.play(&who, at(1)).await;
    assert!(house.stop(&stream, at(2)).await);
    assert!(!stream.heartbeat(Signal::Playback, at(3)));
    assert!(matches!(house.start(&who, at(3)).await, AdmissionOutcome::Refused(Refusal::Terminated(Cause::Stopped))));
}

#[tokio::test]
async fn after_a_silence_the_player_goes_on_with_what_its_application_has_declared_anew() {
    let house = House::of(1);
    let viewer = viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0));
    let played = house.play(&viewer, at(0)).await;
    let joined = house.admitted(house.declared(&declaration(1, &FILM, at(1)), &[], false, at(1)).await);
    assert!(Arc::ptr_eq(&played, &joined));
    house.table.tick(at(SILENCE + 30));
    let back = at(SILENCE + 31);
    let again = house.admitted(house.declared(&declaration(2, &FILM, back), &[], false, back).await);
    assert_ne!(again.id, played.id, "the first had fallen silent");
    let resumed = house.table.resume(&viewer, &house.policies, &house.settings, back).await.unwrap();
    assert!(Arc::ptr_eq(&house.admitted(resumed), &again), "its player is not refused for what it plays itself");
    assert_eq!(house.running(back), 1);
}

#[tokio::test]
async fn an_application_is_told_of_an_end_of_which_its_player_has_been_told_before() {
    let house = House::evicting(1);
    let viewer = viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(0));
    let played = house.play(&viewer, at(0)).await;
    house.admitted(house.declared(&declaration(1, &FILM, at(1)), &[], false, at(1)).await);
    house.admitted(house.declared(&declaration(2, &[("deviceId", "tv")], at(2)), &[], false, at(2)).await);
    let refused = house.table.resume(&viewer, &house.policies, &house.settings, at(3)).await.unwrap();
    assert!(matches!(refused, AdmissionOutcome::Refused(Refusal::Terminated(Cause::Evicted { .. }))), "{refused:?}");
    for was_told in [false, true] {
        let ended = house.table.ended(&account(0), played.id, at(4)).await.unwrap().unwrap();
        assert_eq!(ended.was_told, was_told);
    }
}

#[tokio::test]
async fn a_start_that_a_rule_refuses_does_not_end_the_play_that_it_would_have_joined() {
    let rule = Rule { per: vec![Field::named("channel")], ..Rule::streams("each", 1, WhenExceeded::DenyNewest) };
    let house = House::under(vec![rule]);
    house.admitted(house.declared(&declaration(1, &[("channel", "one")], at(0)), &[], false, at(0)).await);
    let playing = house.play(&viewing("tablet", "/film/main.mpd", &[("assetId", "film")], at(1)), at(1)).await;
    let told = [("assetId", "film"), ("deviceId", "tablet"), ("channel", "one")];
    let answer = house.declared(&declaration(2, &told, at(2)), &[], false, at(2)).await;
    assert!(matches!(answer, AdmissionOutcome::Refused(Refusal::Policy { .. })), "{answer:?}");
    assert!(playing.heartbeat(Signal::Playback, at(3)) && !playing.is_declared());
    assert_eq!(house.running(at(3)), 2);
}

#[tokio::test]
async fn a_stream_that_is_about_to_leave_ends_once_when_its_device_starts_another() {
    let rule = Rule::streams("latest", 1, WhenExceeded::TerminateOldest);
    let house = House::under(vec![Rule { grace: Some(Duration::from_mins(2)), ..rule }]);
    house.play(&viewing("tablet", "/a.mpd", &[], at(0)), at(0)).await;
    house.play(&AdmissionRequest { stream: StreamId([8; 16]), ..viewing("phone", "/b.mpd", &[], at(1)) }, at(1)).await;
    house.play(&AdmissionRequest { stream: StreamId([9; 16]), ..viewing("tablet", "/c.mpd", &[], at(2)) }, at(2)).await;
    assert_eq!(house.gauge.held(), 2, "the newest, and the one that plays on for the grace");
    assert!(house.gauge.lowest() >= 0);
}
