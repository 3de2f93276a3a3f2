//! Points in time, time zones, and parts of local time.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// A fixed offset from UTC.
    Fixed(FixedOffset),
    /// A zone of the IANA time zone database.
    Named(Tz),
}

impl Zone {
    pub(super) const UTC: Self = Self::Named(Tz::UTC);

    /// Parses the name of a zone, or an offset such as `+02:00` (CEL allows it without a sign).
    pub(super) fn named(name: &str) -> Option<Self> {
        let Some((hours, minutes)) = name.split_once(':') else {
            return name.parse().ok().map(Self::Named);
        };
        let (east, hours) = match hours.strip_prefix('-') {
            Some(hours) => (-1, hours),
            None => (1, hours.strip_prefix('+').unwrap_or(hours)),
        };
        let two_digits = |text: &str| {
            let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| text.parse::<i32>().ok()).flatten()
        };
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        let seconds = (hours * 60 + minutes) * 60;
        (minutes < 60).then(|| FixedOffset::east_opt(east * seconds)).flatten().map(Self::Fixed)
    }

    /// Local time in the zone.
    pub(super) fn local(self, time: DateTime<Utc>) -> NaiveDateTime {
        match self {
            Self::Fixed(offset) => time.with_timezone(&offset).naive_local(),
            Self::Named(zone) => time.with_timezone(&zone).naive_local(),
        }
    }
}

/// The zone closest to `written`: same city under another continent, different case, or a typo.
pub(super) fn nearest_zone(written: &str) -> Option<&'static str> {
    let wanted = written.replace(' ', "_").to_ascii_lowercase();
    let city = wanted.rsplit('/').next().unwrap_or_default();
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let alike = |name: &&str| name.to_ascii_lowercase().rsplit('/').next() == Some(city);
    if let Some(name) = names().find(|name| name.eq_ignore_ascii_case(&wanted)).or_else(|| names().find(alike)) {
        return Some(name);
    }
    let distance = |name: &str| strsim::levenshtein(&name.to_ascii_lowercase(), &wanted);
    names().map(|name| (distance(name), name)).min().filter(|(edits, _)| *edits <= 3).map(|(_, name)| name)
}

/// Parses a date and time with offset (RFC 3339), of the years 1 to 9999 as in CEL.
pub(super) fn timestamp(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (1..=9999).contains(&time.year()).then_some(time)
}

/// A part of date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    /// From 0.
    Month,
    /// Day of the month from 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From Sunday, which is 0.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// The functions that return the parts.
    pub(super) const NAMED: [(&'static str, Self); 10] = [
        ("getFullYear", Self::Year),
        ("getMonth", Self::Month),
        ("getDate", Self::Date),
        ("getDayOfMonth", Self::DayOfMonth),
        ("getDayOfWeek", Self::DayOfWeek),
        ("getDayOfYear", Self::DayOfYear),
        ("getHours", Self::Hours),
        ("getMinutes", Self::Minutes),
        ("getSeconds", Self::Seconds),
        ("getMilliseconds", Self::Milliseconds),
    ];

    pub(super) fn extract(self, clock: NaiveDateTime) -> i64 {
        match self {
            Self::Year => clock.year().into(),
            Self::Month => clock.month0().into(),
            Self::Date => clock.day().into(),
            Self::DayOfMonth => clock.day0().into(),
            Self::DayOfWeek => clock.weekday().num_days_from_sunday().into(),
            Self::DayOfYear => clock.ordinal0().into(),
            Self::Hours => clock.hour().into(),
            Self::Minutes => clock.minute().into(),
            Self::Seconds => clock.second().into(),
            Self::Milliseconds => (clock.nanosecond() / 1_000_000 % 1000).into(),
        }
    }
}
