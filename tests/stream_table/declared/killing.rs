//! A viewer who stops one stream to start another.

use super::*;

fn kill(stream: &Stream) -> Kill {
    (stream.id, format!("code-{}", stream.id.0[0]).into())
}

#[tokio::test]
async fn a_start_ends_the_streams_that_it_names_and_takes_their_place_in_one_step() {
    let house = House::of(2);
    let (first, second) = (house.declare(1, at(0)).await, house.play(&candidate(0, 1, "/live", at(0)), at(0)).await);
    house.gauge.heard();
    let who = declaration(3, &[("channel", "kids-2")], at(5));
    // Named twice, it ends once.
    let kills = [kill(&first), kill(&second), kill(&first)];
    let third = house.admitted(house.declared(&who, &kills, false, at(5)).await);
    assert_eq!(house.gauge.heard(), ["terminated", "terminated", "admitted"]);
    assert_eq!(third.attributes().get("superseded"), Some(&*format!("{},{}", kills[0].1, kills[1].1)));
    for killed in [&first, &second] {
        let told = house.ended(killed.id, at(6)).await.expect("it is remembered");
        let Cause::Killed { by: Some(by), .. } = told.cause else { panic!("{:?}", told.cause) };
        assert_eq!((by.stream, by.started, by.attributes.get("channel")), (third.id, at(5), Some("kids-2")));
    }
    assert!(!first.heartbeat_declared(at(6)) && !second.heartbeat(Signal::Playback, at(6)));
    assert_eq!(house.running(at(6)), 1);
}

#[tokio::test]
async fn what_is_named_ends_even_where_there_was_room() {
    let house = House::of(5);
    let first = house.declare(1, at(0)).await;
    house.admitted(house.declared(&declaration(2, &[], at(1)), &[kill(&first)], false, at(1)).await);
    assert_eq!(house.running(at(1)), 1);
}

#[tokio::test]
async fn a_start_that_is_refused_kills_nobody_and_is_told_of_the_account_as_it_stands() {
    let house = House::under(vec![devices(2)]);
    let mut streams = Vec::new();
    for (n, device) in (1..).zip(["d1", "d1", "d2"]) {
        let who = declaration(n, &[("deviceId", device)], at(0));
        streams.push(house.admitted(house.declared(&who, &[], false, at(0)).await));
    }
    let who = declaration(4, &[("deviceId", "d3")], at(1));
    let answer = house.declared(&who, &[kill(&streams[0])], false, at(1)).await;
    let AdmissionOutcome::Refused(Refusal::Policy { refused, holders }) = answer else { panic!("{answer:?}") };
    assert_eq!((refused.decision.violations.len(), holders.len()), (1, 3));
    assert!(streams.iter().all(|stream| stream.heartbeat_declared(at(2))));
    assert_eq!(house.running(at(2)), 3);
}

#[tokio::test]
async fn names_of_streams_that_are_not_there_or_hold_no_slot_mean_nothing() {
    let house = House::of(1);
    let first = house.declare(1, at(0)).await;
    let second = house.declare(2, at(SILENCE)).await;
    let unknown = (StreamId([7; 16]), Arc::from("code"));
    for n in 3..5 {
        let who = declaration(n, &[], at(SILENCE + 1));
        let answer = house.declared(&who, &[kill(&first), unknown.clone()], false, at(SILENCE + 1)).await;
        assert!(matches!(answer, AdmissionOutcome::Refused(_)), "the first is silent, the second plays");
    }
    assert!(second.heartbeat_declared(at(SILENCE + 2)));
    let answer = house.declared(&declaration(5, &[], at(SILENCE + 3)), &[kill(&second)], false, at(SILENCE + 3)).await;
    let fifth = house.admitted(answer);
    assert_eq!(fifth.attributes().get("superseded"), Some(&*kill(&second).1));
}

#[test]
fn of_two_starts_at_once_that_name_the_same_stream_exactly_one_takes_its_place() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    for round in 0..200 {
        let house = Arc::new(House::of(3));
        let streams: Vec<_> = (1..4).map(|n| runtime.block_on(house.declare(n, at(0)))).collect();
        let barrier = Arc::new(tokio::sync::Barrier::new(2));
        let starts: Vec<_> = [4, 5]
            .map(|n| {
                let (house, barrier, kills) = (house.clone(), barrier.clone(), [kill(&streams[0])]);
                runtime.spawn(async move {
                    barrier.wait().await;
                    let answer = house.declared(&declaration(n, &[], at(1)), &kills, false, at(1)).await;
                    is_admitted(&answer)
                })
            })
            .into_iter()
            .map(|start| runtime.block_on(start).expect("a start ends"))
            .collect();
        assert_eq!(starts.iter().filter(|admitted| **admitted).count(), 1, "round {round}");
        assert_eq!(house.running(at(1)), 3);
    }
}

#[tokio::test]
async fn a_stream_that_is_about_to_leave_ends_once_when_it_is_killed() {
    let mut rule = Rule::streams("streams", 1, WhenExceeded::TerminateOldest);
    rule.grace = Some(Duration::from_mins(1));
    let house = House::under(vec![rule]);
    let first = house.declare(1, at(0)).await;
    let second = house.declare(2, at(1)).await;
    assert!(first.heartbeat_declared(at(2)), "it plays on for the grace");
    let answer = house.declared(&declaration(3, &[], at(3)), &[kill(&first), kill(&second)], false, at(3)).await;
    assert!(is_admitted(&answer));
    assert_eq!(house.running(at(3)), 1);
    let fourth = house.declare(4, at(4)).await;
    let answer = house.declared(&declaration(5, &[], at(5)), &[kill(&house.admitted(answer))], false, at(5)).await;
    assert!(is_admitted(&answer) && fourth.heartbeat_declared(at(6)));
    assert!(house.gauge.lowest() >= 0);
}

#[tokio::test]
async fn who_starts_by_the_hundred_has_nobody_forgotten_who_was_killed() {
    let house = House::of(1);
    let player = house.play(&candidate(0, 1, "/live", at(0)), at(0)).await;
    let killer = house.declared(&declaration(0, &[], at(1)), &[kill(&player)], false, at(1)).await;
    assert!(is_admitted(&killer));
    for n in 0..1000_u64 {
        let stream = StreamId((u128::from(n) + 1).to_be_bytes());
        let who = AdmissionRequest { stream, ..declaration(1, &[("channel", "arena-1")], at(2)) };
        assert!(matches!(house.declared(&who, &[], true, at(2)).await, AdmissionOutcome::Refused(_)));
    }
    let record = house.table.record(&account(0), at(3)).await.expect("an embedded table answers");
    assert_eq!(record.tombstones().len(), 256);
    let back = house.table.resume(&candidate(0, 1, "/live", at(0)), &house.policies, &house.settings, at(3)).await;
    assert!(matches!(back, Ok(AdmissionOutcome::Refused(Refusal::Terminated(Cause::Killed { .. })))));
}
