//! Download rates of players and rippers.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

use super::*;

const START: u64 = 1_700_000_000_000;
const MULTIPLE: u32 = 4;

/// A player.
#[derive(Clone, Copy, Debug)]
struct Player {
    /// Renditions that are fetched separately.
    renditions: u64,
    /// Segment duration in milliseconds.
    segment: u64,
    /// Buffer depth in milliseconds.
    buffer: u64,
    /// Line speed as a multiple of real time, for all renditions together.
    line: u64,
    /// Milliseconds of media played in ten milliseconds: 10 is normal speed.
    speed: u64,
    /// Number of seeks to unbuffered positions (or quality changes that drop the buffer).
    skips: u64,
    /// Milliseconds between two of them.
    every: u64,
    /// Duration of the simulation in milliseconds.
    watched: u64,
}

/// A web player on a fast line: two renditions, a minute ahead, normal speed, two hours.
const VIEWER: Player = Player {
    renditions: 2,
    segment: 6_000,
    buffer: 60_000,
    line: 50,
    speed: 10,
    skips: 0,
    every: 10_000,
    watched: 7_200_000,
};

impl Player {
    /// When it was detected, in milliseconds, if ever.
    fn noticed(self, multiple: u32) -> Option<u64> {
        let pace = Pace::default();
        let (mut now, mut played, mut fetched, mut skips) = (0, 0, 0, 0);
        while now < self.watched {
            if skips < self.skips && now >= (skips + 1) * self.every {
                skips += 1;
                fetched = played;
            }
            if fetched < played + self.buffer {
                for _ in 0..self.renditions {
                    if pace.add(Duration::from_millis(self.segment), multiple, Millis(START + now)) {
                        return Some(now);
                    }
                }
                fetched += self.segment;
                let step = (self.segment * self.renditions / self.line).max(1);
                (now, played) = (now + step, played + step * self.speed / 10);
            } else {
                (now, played) = (now + 100, played + 10 * self.speed);
            }
            // Only fetched media plays.
            played = played.min(fetched);
        }
        None
    }
}

#[test]
fn no_known_player_is_too_fast() {
    let table = [
        ("the deepest buffer of hls.js, sound apart", Player { buffer: 600_000, ..VIEWER }),
        ("the same on a line without limits", Player { buffer: 600_000, line: 10_000, ..VIEWER }),
        ("the same in one rendition", Player { renditions: 1, buffer: 600_000, line: 10_000, ..VIEWER }),
        ("hls.js at 1 Mbit/s", Player { buffer: 480_000, line: 100, ..VIEWER }),
        ("hls.js at 2.5 Mbit/s, subtitles in segments", Player { renditions: 3, buffer: 192_000, ..VIEWER }),
        (
            "hls.js at 5 Mbit/s, looking for a scene",
            Player { buffer: 96_000, line: 20, skips: 10, every: 5_000, ..VIEWER },
        ),
        ("Media3, looking for a scene", Player { buffer: 50_000, skips: 10, every: 5_000, ..VIEWER }),
        ("Shaka, a skip every ten seconds for twenty minutes", Player { buffer: 10_000, skips: 120, ..VIEWER }),
        ("dash.js, a skip or a change of quality every minute", Player { skips: 120, every: 60_000, ..VIEWER }),
        ("sound apart at double speed", Player { speed: 20, ..VIEWER }),
        ("subtitles in segments", Player { renditions: 3, ..VIEWER }),
        ("one rendition at triple speed", Player { renditions: 1, speed: 30, ..VIEWER }),
        ("segments of 2 s", Player { segment: 2_000, ..VIEWER }),
        ("segments of 30 s", Player { segment: 30_000, ..VIEWER }),
        ("a minute's buffer filled just in time", Player { line: 3, ..VIEWER }),
    ];
    for (who, player) in table {
        assert_eq!(player.noticed(MULTIPLE), None, "{who}");
    }
}

/// A ripper, which never waits.
fn ripper(renditions: u64, times: u64, film: u64) -> Option<u64> {
    let watched = film / times;
    Player { renditions, line: times * renditions, buffer: u64::MAX / 2, watched, ..VIEWER }.noticed(MULTIPLE)
}

#[test]
fn a_ripper_is_noticed_in_about_a_minute() {
    const HOUR: u64 = 3_600_000;
    let seconds = |renditions, times| ripper(renditions, times, HOUR).map(|ms| ms / 1000);
    assert_eq!(seconds(1, 20), Some(78));
    assert_eq!(seconds(2, 20), Some(34));
    assert_eq!(seconds(1, 50), Some(27));
    assert_eq!(seconds(1, 100), Some(13));
    assert_eq!(seconds(2, 10), Some(78));
}

#[test]
fn what_is_not_noticed_is_known() {
    const HOUR: u64 = 3_600_000;
    assert_eq!(ripper(1, 4, 10 * HOUR), None, "whoever keeps below the multiple");
    assert_eq!(ripper(1, 100, HOUR / 3), None, "twenty minutes in one rendition");
    assert_eq!(ripper(2, 100, HOUR / 6), None, "ten minutes in two");
    let three = Player { renditions: 3, speed: 20, ..VIEWER };
    assert!(three.noticed(4).is_some_and(|ms| ms > 500_000), "and who is noticed wrongly, after eight minutes");
    assert_eq!(three.noticed(6), None, "which a larger multiple heals");
    let skipping = Player { renditions: 3, buffer: 50_000, skips: 12, every: 5_000, ..VIEWER };
    assert!(skipping.noticed(4).is_some(), "or who skips about on a fast line");
    let dropping = Player { skips: 240, every: 30_000, ..VIEWER };
    assert!(dropping.noticed(4).is_some(), "or drops a minute's buffer every half minute, for ten minutes");
    let endless = Player { buffer: 10_000, skips: 720, ..VIEWER };
    assert!(endless.noticed(4).is_some(), "or skips every ten seconds, for twenty-five");
}

#[test]
fn real_time_works_off_what_was_pulled() {
    let pace = Pace::default();
    let pull = |media, now: u64| pace.add(Duration::from_secs(media), MULTIPLE, Millis(START + now * 1000));
    let exceeds = |now: u64| pace.exceeds(MULTIPLE, Millis(START + now * 1000));
    assert!(!pull(1260, 0), "exactly the allowance");
    assert!(!exceeds(0));
    assert!(pull(4, 0));
    assert!(exceeds(0));
    assert!(!exceeds(1));
    assert!(!pull(1260, 316), "all of it is there again after five minutes, and no more than that");
    assert!(pull(4, 316));
}

#[test]
fn a_stream_is_told_of_once() {
    let pace = Pace::default();
    assert!(pace.is_news());
    assert!(!pace.is_news());
}

#[test]
fn nothing_is_lost_when_many_pull_at_once() {
    let pace = Pace::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    pace.add(Duration::from_millis(8), 1, Millis(START));
                }
            });
        }
    });
    assert_eq!(pace.clear.load(Relaxed), START + 64_000);
}

#[test]
fn wrong_clocks_and_absurd_durations_do_no_harm() {
    let pace = Pace::default();
    assert!(pace.add(Duration::MAX, 0, Millis(u64::MAX)) || !pace.exceeds(0, Millis(u64::MAX)));
    assert!(pace.add(Duration::from_hours(1), 1, Millis(0)));
    assert!(pace.add(Duration::MAX, 1, Millis(START)));
}
