//! The live channel: a window that slides with the wall clock over the looped MPEG-TS segments of the VOD.
//!
//! Segment number `n` is on air from `n * 2 s` to `(n + 1) * 2 s` after the Unix epoch and is published when it is complete. Nothing
//! is remembered between requests, so every instance of this origin publishes the same channel, before and after a restart.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::media;
use crate::model::Millis;

/// How long each segment lasts: the target duration too.
const SEGMENT: Duration = Duration::from_secs(2);
/// Segments in the loop; after the last one comes a discontinuity and the first again.
const LOOP: u64 = 12;
/// Segments in the playlist.
const WINDOW: u64 = 5;

/// One of the channel's two renditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// 320 x 180.
    High,
    /// 160 x 90.
    Low,
}

impl Rendition {
    const ALL: [Self; 2] = [Self::High, Self::Low];

    /// The name of its segments, here and in the media it loops.
    fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    /// The file name of its media playlist.
    fn playlist(self) -> &'static str {
        match self {
            Self::High => "channel.m3u8",
            Self::Low => "channel-low.m3u8",
        }
    }
}

/// What the channel has under a name.
pub(super) enum Published {
    /// A playlist as of now.
    Playlist(String),
    /// A segment; its bytes never change.
    Segment(&'static [u8]),
}

/// What stands at `/live/<name>` at `now`; nothing under an unknown name or before a segment is complete.
pub(super) fn published(name: &str, now: Millis) -> Option<Published> {
    if name == "master.m3u8" {
        return multivariant_playlist().map(Published::Playlist);
    }
    if let Some(rendition) = Rendition::ALL.into_iter().find(|rendition| rendition.playlist() == name) {
        return Some(Published::Playlist(live_playlist(rendition, now)));
    }
    let (rendition, number) = name.strip_suffix(".ts")?.rsplit_once('-')?;
    let rendition = Rendition::ALL.into_iter().find(|known| known.name() == rendition)?;
    let number = number.parse().ok().filter(|number| *number <= newest(now))?;
    segment(rendition, number).map(Published::Segment)
}

/// The media playlist of `rendition` at `now` (RFC 8216 §6.2.2): the five newest complete segments.
///
/// A discontinuity stands before the first segment of every loop. It leaves the playlist together with that segment, and
/// `EXT-X-DISCONTINUITY-SEQUENCE` counts those that have left.
pub fn live_playlist(rendition: Rendition, now: Millis) -> String {
    let newest = newest(now);
    let first = (newest + 1).saturating_sub(WINDOW);
    let gone = first.saturating_sub(1) / LOOP;
    let name = rendition.name();
    let mut playlist = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{gone}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
        SEGMENT.as_secs()
    );
    for number in first..=newest {
        if number > 0 && number % LOOP == 0 {
            playlist.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let start = UNIX_EPOCH + Duration::from_secs(number * SEGMENT.as_secs());
        // Writing to a string cannot fail.
        let _ = write!(
            playlist,
            "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{:.3},\n{name}-{number}.ts\n",
            humantime::format_rfc3339_millis(start),
            SEGMENT.as_secs_f64()
        );
    }
    playlist
}

/// The number of the newest complete segment. (In the first two seconds of 1970 it is the first one, complete or not.)
fn newest(now: Millis) -> u64 {
    (now.seconds() / SEGMENT.as_secs()).saturating_sub(1)
}

/// The same two renditions as the VOD over MPEG-TS, under the channel's names.
fn multivariant_playlist() -> Option<String> {
    let vod = std::str::from_utf8(media::file("vod/ts/master.m3u8")?.bytes).ok()?;
    Some(Rendition::ALL.into_iter().fold(vod.to_owned(), |playlist, rendition| {
        playlist.replace(&format!("{}.m3u8", rendition.name()), rendition.playlist())
    }))
}

fn segment(rendition: Rendition, number: u64) -> Option<&'static [u8]> {
    media::file(&format!("vod/ts/{}-{:02}.ts", rendition.name(), number % LOOP)).map(|file| file.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z, segment number 883612800.
    const NEW_YEAR: Millis = Millis(1_767_225_600_000);

    struct Entry {
        number: u64,
        /// Its discontinuity sequence number as RFC 8216 §6.2.1 counts it.
        discontinuity: u64,
        date: String,
    }

    fn value<'a>(playlist: &'a str, tag: &str) -> &'a str {
        playlist.lines().find_map(|line| line.strip_prefix(tag)).unwrap()
    }

    fn entries(playlist: &str) -> Vec<Entry> {
        let mut discontinuity = value(playlist, "#EXT-X-DISCONTINUITY-SEQUENCE:").parse().unwrap();
        let mut date = String::new();
        let mut entries = Vec::new();
        for line in playlist.lines() {
            if line == "#EXT-X-DISCONTINUITY" {
                discontinuity += 1;
            } else if let Some(found) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                found.clone_into(&mut date);
            } else if let Some(name) = line.strip_prefix("high-") {
                let number = name.strip_suffix(".ts").unwrap().parse().unwrap();
                entries.push(Entry { number, discontinuity, date: date.clone() });
            }
        }
        entries
    }

    #[test]
    fn the_window_holds_the_five_newest_complete_segments() {
        let playlist = live_playlist(Rendition::High, NEW_YEAR);
        let entries = entries(&playlist);
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[4].number, 883_612_799, "the one that ended at this very moment");
        assert_eq!(entries[4].date, "2025-12-31T23:59:58.000Z");
        assert_eq!(value(&playlist, "#EXT-X-MEDIA-SEQUENCE:"), entries[0].number.to_string());
        assert!(!playlist.contains("ENDLIST") && !playlist.contains("PLAYLIST-TYPE"));
    }

    #[test]
    fn the_playlist_stays_for_two_seconds_and_then_slides_by_one() {
        let before = live_playlist(Rendition::Low, NEW_YEAR);
        assert_eq!(before, live_playlist(Rendition::Low, NEW_YEAR + Duration::from_millis(1999)));
        let after = live_playlist(Rendition::Low, NEW_YEAR + SEGMENT);
        let first = |playlist: &str| value(playlist, "#EXT-X-MEDIA-SEQUENCE:").parse::<u64>().unwrap();
        assert_eq!(first(&after), first(&before) + 1);
    }

    #[test]
    fn over_three_loops_no_segment_is_missing_and_none_changes_its_discontinuity() {
        let mut seen: Vec<u64> = Vec::new();
        let start = entries(&live_playlist(Rendition::High, NEW_YEAR))[0].number;
        for step in 0..3 * LOOP {
            let now = NEW_YEAR + SEGMENT * u32::try_from(step).unwrap();
            for entry in entries(&live_playlist(Rendition::High, now)) {
                let at = usize::try_from(entry.number - start).unwrap();
                assert!(at <= seen.len(), "a gap before segment {}", entry.number);
                if at == seen.len() {
                    seen.push(entry.discontinuity);
                }
                assert_eq!(seen[at], entry.discontinuity, "segment {} at step {step}", entry.number);
            }
        }
        let borders = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(borders, 3, "one discontinuity for each loop");
        assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 1));
    }

    #[test]
    fn the_discontinuity_stands_where_the_loop_begins_again() {
        // 883612800 is a multiple of the loop: at NEW_YEAR + one segment it is the newest.
        let playlist = live_playlist(Rendition::High, NEW_YEAR + SEGMENT);
        let (before, after) = playlist.split_once("#EXT-X-DISCONTINUITY\n").unwrap();
        assert!(before.contains("high-883612799.ts") && after.contains("high-883612800.ts"));
        assert_eq!(segment(Rendition::High, 883_612_800), segment(Rendition::High, 0));
        assert_ne!(segment(Rendition::High, 883_612_799), segment(Rendition::High, 0));
    }

    #[test]
    fn at_the_beginning_of_time_nothing_overflows() {
        for seconds in [0, 1, 3, 9, 11, 25] {
            let entries = entries(&live_playlist(Rendition::High, Millis(seconds * 1000)));
            assert!((1..=5).contains(&entries.len()));
        }
    }

    #[test]
    fn the_loop_is_what_the_vod_playlist_says_it_is() {
        for rendition in Rendition::ALL {
            let vod = media::file(&format!("vod/ts/{}.m3u8", rendition.name())).unwrap();
            let vod = std::str::from_utf8(vod.bytes).unwrap();
            let durations: Vec<f64> =
                vod.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse().ok()).collect();
            assert_eq!(u64::try_from(durations.len()).unwrap(), LOOP);
            assert!(durations.iter().all(|duration| (duration - SEGMENT.as_secs_f64()).abs() < 0.001), "{durations:?}");
            assert!((0..LOOP).all(|number| segment(rendition, number).is_some()));
        }
    }

    #[test]
    fn every_name_in_the_playlists_is_published_and_a_segment_of_the_future_is_not() {
        let Some(Published::Playlist(master)) = published("master.m3u8", NEW_YEAR) else { panic!("no master") };
        for rendition in Rendition::ALL {
            assert!(master.lines().any(|line| line == rendition.playlist()));
            let Some(Published::Playlist(playlist)) = published(rendition.playlist(), NEW_YEAR) else { panic!("none") };
            for uri in playlist.lines().filter(|line| !line.starts_with('#')) {
                assert!(matches!(published(uri, NEW_YEAR), Some(Published::Segment(_))), "{uri}");
            }
        }
        for name in ["high-883612800.ts", "high-.ts", "high--1.ts", "middle-5.ts", "channel.mpd", "high-1", ""] {
            assert!(published(name, NEW_YEAR).is_none(), "{name}");
        }
    }
}
