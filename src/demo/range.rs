//! Byte ranges (RFC 9110 §14), one at a time.

use std::ops::Range;

/// The requested part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, several, or an unknown one. A server may always answer those with 200.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// Out of range: 416.
    Unsatisfiable,
}

/// Applies a `Range` header to a body of `length` bytes.
pub(super) fn wanted(header: &str, length: usize) -> Wanted {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => match suffix.parse::<usize>() {
            Ok(suffix) => length.saturating_sub(suffix)..length,
            Err(_) => return Wanted::Whole,
        },
        (first, last) => match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
            (Ok(first), Err(_)) if last.is_empty() => first..length,
            _ => return Wanted::Whole,
        },
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_inside_the_body_is_that_part_of_it() {
        assert_eq!(wanted("bytes=0-1", 10), Wanted::Part(0..2));
        assert_eq!(wanted("bytes=4-", 10), Wanted::Part(4..10));
        assert_eq!(wanted("bytes=-3", 10), Wanted::Part(7..10));
    }

    #[test]
    fn a_range_that_runs_past_the_end_is_cut_there() {
        assert_eq!(wanted("bytes=8-18446744073709551615", 10), Wanted::Part(8..10));
        assert_eq!(wanted("bytes=-300", 10), Wanted::Part(0..10));
    }

    #[test]
    fn a_range_behind_the_end_or_of_nothing_cannot_be_had() {
        assert_eq!(wanted("bytes=10-", 10), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=12-13", 10), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-0", 10), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn what_is_not_one_well_formed_range_gets_everything() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,4-5",
            "lines=1-2",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(wanted(header, 10), Wanted::Whole, "{header}");
        }
    }
}
