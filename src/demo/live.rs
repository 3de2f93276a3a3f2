//! The live channel: a sliding window over the looped MPEG-TS segments of the VOD.
//!
//! Segment `n` covers `n * 2 s` to `(n + 1) * 2 s` after the channel's start and is published when it is complete. A
//! playlist depends only on the start and the current time.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::media;
use crate::model::Millis;

/// Duration of each segment, and the target duration.
const SEGMENT: Duration = Duration::from_secs(2);
/// Segments in the loop; after the last one comes a discontinuity and the first again.
const LOOP: u64 = 12;
/// Segments in the playlist.
const WINDOW: u32 = 5;

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

/// A file of the channel.
pub(super) enum Published {
    /// A playlist as of now.
    Playlist(String),
    /// A segment; its bytes never change.
    Segment(&'static [u8]),
}

/// A live channel.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    since: Millis,
}

impl Channel {
    /// A channel whose playlist is full at `now`.
    ///
    /// Numbers start there and not at the Unix epoch: hls.js iterates over all discontinuity sequence numbers from
    /// zero, which takes too long with tens of millions.
    pub fn full_at(now: Millis) -> Self {
        Self { since: now - SEGMENT * WINDOW }
    }

    /// The file `/live/<name>` at `now`; `None` for an unknown name or an incomplete segment.
    pub(super) fn published(self, name: &str, now: Millis) -> Option<Published> {
        if name == "master.m3u8" {
            return multivariant_playlist().map(Published::Playlist);
        }
        if let Some(rendition) = Rendition::ALL.into_iter().find(|rendition| rendition.playlist() == name) {
            return Some(Published::Playlist(self.playlist(rendition, now)));
        }
        let (rendition, number) = name.strip_suffix(".ts")?.rsplit_once('-')?;
        let rendition = Rendition::ALL.into_iter().find(|known| known.name() == rendition)?;
        let number = number.parse().ok().filter(|number| *number < self.complete(now))?;
        segment(rendition, number).map(Published::Segment)
    }

    /// The media playlist of `rendition` at `now` (RFC 8216 §6.2.2): the five newest complete segments.
    ///
    /// A discontinuity precedes the first segment of every loop. It leaves the playlist with that segment, and
    /// `EXT-X-DISCONTINUITY-SEQUENCE` counts those that have left.
    pub fn playlist(self, rendition: Rendition, now: Millis) -> String {
        let complete = self.complete(now);
        let first = complete.saturating_sub(WINDOW.into());
        let gone = first.saturating_sub(1) / LOOP;
        let name = rendition.name();
        let mut playlist = format!(
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{gone}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            SEGMENT.as_secs()
        );
        for number in first..complete {
            if number > 0 && number % LOOP == 0 {
                playlist.push_str("#EXT-X-DISCONTINUITY\n");
            }
            let start = self.since + Duration::from_secs(number * SEGMENT.as_secs());
            // Writing to a string cannot fail.
            let _ = write!(
                playlist,
                "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{:.3},\n{name}-{number}.ts\n",
                humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(start.0)),
                SEGMENT.as_secs_f64()
            );
        }
        playlist
    }

    /// Number of complete segments at `now`.
    fn complete(self, now: Millis) -> u64 {
        now.since(self.since).as_secs() / SEGMENT.as_secs()
    }
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

    /// 2026-01-01T00:00:00Z, when the channel's first playlist is full.
    const START: Millis = Millis(1_767_225_600_000);

    fn channel() -> Channel {
        Channel::full_at(START)
    }

    /// When the given number of segments is complete.
    fn with_complete(segments: u32) -> Millis {
        START - SEGMENT * WINDOW + SEGMENT * segments
    }

    struct Entry {
        number: u64,
        /// Its discontinuity sequence number as RFC 8216 §6.2.1 counts it.
        discontinuity: u64,
        date: String,
    }

    fn value<'a>(playlist: &'a str, tag: &str) -> &'a str {
        playlist.lines().find_map(|line| line.strip_prefix(tag)).unwrap()
    }

    fn entries(now: Millis) -> Vec<Entry> {
        let playlist = channel().playlist(Rendition::High, now);
        let mut discontinuity = value(&playlist, "#EXT-X-DISCONTINUITY-SEQUENCE:").parse().unwrap();
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
        let numbers = |now| entries(now).iter().map(|entry| entry.number).collect::<Vec<_>>();
        assert_eq!(numbers(START), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(with_complete(100)), [95, 96, 97, 98, 99]);
        let playlist = channel().playlist(Rendition::High, with_complete(100));
        assert_eq!(value(&playlist, "#EXT-X-MEDIA-SEQUENCE:"), "95");
        assert!(!playlist.contains("ENDLIST") && !playlist.contains("PLAYLIST-TYPE"));
    }

    #[test]
    fn each_segment_carries_the_wall_time_at_which_it_went_on_air() {
        let dates: Vec<String> = entries(START).into_iter().map(|entry| entry.date).collect();
        assert_eq!(dates[0], "2025-12-31T23:59:50.000Z");
        assert_eq!(dates[4], "2025-12-31T23:59:58.000Z", "the one that ended at this very moment");
    }

    #[test]
    fn the_playlist_stays_for_two_seconds_and_then_slides_by_one() {
        let before = channel().playlist(Rendition::Low, with_complete(50));
        assert_eq!(before, channel().playlist(Rendition::Low, with_complete(50) + Duration::from_millis(1999)));
        let after = channel().playlist(Rendition::Low, with_complete(51));
        let first = |playlist: &str| value(playlist, "#EXT-X-MEDIA-SEQUENCE:").parse::<u64>().unwrap();
        assert_eq!(first(&after), first(&before) + 1);
    }

    #[test]
    fn over_three_loops_no_segment_is_missing_and_none_changes_its_discontinuity() {
        let mut seen: Vec<u64> = Vec::new();
        for complete in 0..=36 {
            for entry in entries(with_complete(complete)) {
                let at = usize::try_from(entry.number).unwrap();
                assert!(at <= seen.len(), "a gap before segment {at}");
                if at == seen.len() {
                    seen.push(entry.discontinuity);
                }
                assert_eq!(seen[at], entry.discontinuity, "segment {at} when {complete} are complete");
            }
        }
        assert_eq!(seen, [[0; 12], [1; 12], [2; 12]].concat());
    }

    #[test]
    fn the_discontinuity_stands_where_the_loop_begins_again() {
        let playlist = channel().playlist(Rendition::High, with_complete(13));
        let (before, after) = playlist.split_once("#EXT-X-DISCONTINUITY\n").unwrap();
        assert!(before.contains("high-11.ts") && after.contains("high-12.ts"));
        assert_eq!(segment(Rendition::High, 12), segment(Rendition::High, 0));
        assert_ne!(segment(Rendition::High, 11), segment(Rendition::High, 0));
    }

    #[test]
    fn before_it_is_on_air_the_channel_has_no_segments() {
        assert!(entries(Millis(0)).is_empty());
        assert!(channel().published("high-0.ts", Millis(0)).is_none());
        assert_eq!(Channel::full_at(Millis(3)).playlist(Rendition::High, Millis(1)).lines().count(), 6);
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
        let now = with_complete(30);
        let Some(Published::Playlist(master)) = channel().published("master.m3u8", now) else { panic!("no master") };
        for rendition in Rendition::ALL {
            let name = rendition.playlist();
            assert!(master.lines().any(|line| line == name));
            let Some(Published::Playlist(playlist)) = channel().published(name, now) else { panic!("no {name}") };
            for uri in playlist.lines().filter(|line| !line.starts_with('#')) {
                assert!(matches!(channel().published(uri, now), Some(Published::Segment(_))), "{uri}");
            }
        }
        for name in ["high-30.ts", "high-.ts", "high--1.ts", "middle-5.ts", "channel.mpd", "high-1", ""] {
            assert!(channel().published(name, now).is_none(), "{name}");
        }
    }
}
