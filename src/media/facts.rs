//! Facts of a manifest, and the result of rewriting it.

use std::time::Duration;

use thiserror::Error;

/// The form of a manifest, known once it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// HLS multivariant playlist: lists renditions, has no segments (RFC 8216 §4.3.4).
    Multivariant,
    /// HLS media playlist: lists segments (RFC 8216 §4.3.3).
    MediaPlaylist,
    /// DASH media presentation description (ISO/IEC 23009-1 §5.3.1).
    Mpd,
    /// DASH patch document: the difference between two MPDs (ISO/IEC 23009-1 §5.15).
    MpdPatch,
}

/// Facts from a manifest. Durations that the manifest does not contain are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Form of the manifest.
    pub form: Form,
    /// HLS: a media playlist that may still grow (neither `EXT-X-ENDLIST` nor `EXT-X-PLAYLIST-TYPE:VOD`). DASH:
    /// `type="dynamic"`, and every patch. Always `false` for a multivariant playlist.
    pub live: bool,
    /// Declared maximum segment duration: `EXT-X-TARGETDURATION`, `MPD@maxSegmentDuration`.
    pub target_duration: Option<Duration>,
    /// `EXT-X-PART-INF:PART-TARGET`: the playlist has partial segments.
    pub part_target: Option<Duration>,
    /// The longest segment listed: `EXTINF`, `S@d`, or `SegmentTemplate@duration`. Image tracks do not count.
    pub longest_segment: Option<Duration>,
    /// Refresh interval of players. HLS: the target duration of a live playlist. DASH: `MPD@minimumUpdatePeriod`.
    pub refresh: Option<Duration>,
    /// `EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES`: refreshes may be held open for about three target durations.
    pub blocking_reload: bool,
    /// Total duration, if known: the sum of `EXTINF` of a playlist that is complete,
    /// `MPD@mediaPresentationDuration`.
    pub duration: Option<Duration>,
}

impl Facts {
    /// Default facts of a manifest of this form.
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            live: false,
            target_duration: None,
            part_target: None,
            longest_segment: None,
            refresh: None,
            blocking_reload: false,
            duration: None,
        }
    }
}

/// Result of a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Facts of the manifest.
    pub facts: Facts,
    /// References that got the prefix, including inserted elements.
    pub rewritten: u32,
    /// References to other hosts. They stay unchanged, as a play session must not reach other hosts.
    pub foreign: u32,
    /// References that could not be parsed and stay unchanged: undefined variables, texts with comments in them.
    pub undefined: u32,
}

/// Why a body could not be rewritten. The viewer then gets the original bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unparsable {
    /// The first line is not `#EXTM3U` (RFC 8216 §4.3.1.1).
    #[error("not an HLS playlist: the first line is not #EXTM3U")]
    NotAPlaylist,
    /// The root element is neither `MPD` nor `Patch`.
    #[error("not an MPD: the root element is neither MPD nor Patch")]
    NotAnMpd,
    /// The bytes are not text in UTF-16 or an encoding that extends ASCII, but compressed or binary.
    #[error("the manifest is not text in UTF-16 or an encoding that extends ASCII")]
    Encoding,
    /// The document declares custom entities, or uses one that is not predefined; they are never expanded.
    #[error("the XML declares or uses custom entities, which are not expanded")]
    Entities,
    /// The XML is not well-formed near this byte.
    #[error("the XML is not well-formed near byte {0}")]
    Malformed(usize),
    /// The XML ends before its root element does.
    #[error("the XML ends before its root element does")]
    Truncated,
}

impl Unparsable {
    /// The name of the reason in metrics, from a closed set.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotAPlaylist => "not_a_playlist",
            Self::NotAnMpd => "not_an_mpd",
            Self::Encoding => "encoding",
            Self::Entities => "entities",
            Self::Malformed(_) => "malformed",
            Self::Truncated => "truncated",
        }
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds of a decimal number of seconds at the start of `text` (`6`, `5.005`, `4.0,title`). Absent for a negative
/// number or none at all; what follows the number is not looked at. Saturates, at 584 years.
pub(super) fn nanos(text: &[u8]) -> Option<u64> {
    let mut bytes = text.iter().copied();
    let mut whole: u64 = 0;
    let mut digits = 0_u32;
    let mut last = None;
    for byte in bytes.by_ref() {
        if !byte.is_ascii_digit() {
            last = Some(byte);
            break;
        }
        whole = whole.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        digits += 1;
    }
    let mut fraction: u64 = 0;
    if last == Some(b'.') {
        let mut scale = NANOS_PER_SECOND;
        for byte in bytes {
            if !byte.is_ascii_digit() {
                break;
            }
            scale /= 10;
            fraction += u64::from(byte - b'0') * scale;
            digits += 1;
        }
    }
    (digits > 0).then(|| whole.saturating_mul(NANOS_PER_SECOND).saturating_add(fraction))
}

/// The duration that a decimal number of seconds at the start of `text` means.
pub(super) fn seconds(text: &[u8]) -> Option<Duration> {
    nanos(text).map(Duration::from_nanos)
}

/// An `xs:duration` such as `PT6S`, `PT1H2M3.5S` or `P0Y0M0DT0H3M30S` (XML Schema 2 §3.2.6). A year counts 365 days and
/// a month 30; absent when malformed or negative.
pub(super) fn iso_duration(text: &str) -> Option<Duration> {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let mut rest = text.trim().strip_prefix('P')?;
    let mut total: u64 = 0;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time {
                return None;
            }
            in_time = true;
            rest = time;
            continue;
        }
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit_on) = rest.split_at(unit_at);
        let unit = unit_on.chars().next()?;
        let factor = match (in_time, unit) {
            (false, 'Y') => 365 * DAY,
            (false, 'M') => 30 * DAY,
            (false, 'W') => 7 * DAY,
            (false, 'D') => DAY,
            (true, 'H') => HOUR,
            (true, 'M') => MINUTE,
            (true, 'S') => 1,
            _ => return None,
        };
        total = total.saturating_add(nanos(number.as_bytes())?.saturating_mul(factor));
        rest = unit_on.get(1..)?;
    }
    Some(Duration::from_nanos(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_seconds_are_read_to_the_nanosecond_and_stop_at_the_first_other_character() {
        assert_eq!(seconds(b"9.009,title"), Some(Duration::from_millis(9009)));
        assert_eq!(seconds(b"4"), Some(Duration::from_secs(4)));
        assert_eq!(seconds(b".5"), Some(Duration::from_millis(500)));
        assert_eq!(seconds(b"0.1234567891234"), Some(Duration::from_nanos(123_456_789)));
        assert_eq!(seconds(b"-1,channel"), None);
        assert_eq!(seconds(b"nan"), None);
        assert_eq!(seconds(b"99999999999999999999999999"), Some(Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn xml_durations_with_every_unit_are_read_and_malformed_ones_refused() {
        assert_eq!(iso_duration("PT1H2M3.5S"), Some(Duration::from_millis(3_723_500)));
        assert_eq!(iso_duration("P0Y0M0DT0H3M30.000S"), Some(Duration::from_secs(210)));
        assert_eq!(iso_duration("P1DT1S"), Some(Duration::from_secs(86_401)));
        assert_eq!(iso_duration("PT0S"), Some(Duration::ZERO));
        for malformed in ["", "T1S", "P1S", "PT1", "PTS", "-PT1S", "PT1X", "PTT1S", "PT1Sé"] {
            assert_eq!(iso_duration(malformed), None, "{malformed:?}");
        }
    }
}
