//! An answer that is held until its first bytes confirm its header.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use pingora::protocols::http::HttpTask;

use super::inspect::Inspection;

/// How long an answer is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    /// Not held.
    #[default]
    Now,
    /// Until the first piece of its body arrives: a client may wait for each line of a text without a length.
    FirstPiece,
    /// Until enough of its body has arrived to decide.
    Decided,
}

impl Until {
    /// How long an answer with this header is held. An event stream may be silent for long after its header, for which
    /// its client waits.
    pub(super) fn for_response(headers: &HeaderMap, inspection: Option<&Inspection>) -> Self {
        let Some(inspection) = inspection else { return Self::Now };
        if headers.contains_key(CONTENT_LENGTH) || !inspection.passes_at_once() {
            return Self::Decided;
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("text/event-stream") { Self::Now } else { Self::FirstPiece }
    }
}

/// The unsent part of an answer: its header, as received from the origin, and pieces of its body.
#[derive(Default)]
pub(super) struct Held {
    tasks: Vec<HttpTask>,
    until: Until,
}

impl Held {
    /// Holds everything added from now on.
    pub(super) fn wait(&mut self, until: Until) {
        self.until = until;
    }

    /// Adds a piece, and returns what may be sent now: nothing while the answer is held.
    pub(super) fn add(&mut self, task: HttpTask, is_decided: bool) -> Vec<HttpTask> {
        let (is_body, is_empty) = match &task {
            HttpTask::Body(bytes, end) => (true, !end && bytes.as_ref().is_none_or(bytes::Bytes::is_empty)),
            _ => (false, false),
        };
        if !is_empty {
            self.tasks.push(task);
        }
        let goes = match self.until {
            Until::Now => true,
            Until::FirstPiece => is_body && !is_empty,
            Until::Decided => is_decided,
        };
        if !goes {
            return Vec::new();
        }
        self.until = Until::Now;
        std::mem::take(&mut self.tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Claim;
    use bytes::Bytes;
    use pingora::http::ResponseHeader;

    fn header() -> HttpTask {
        HttpTask::Header(Box::new(ResponseHeader::build(200, None).unwrap()), false)
    }

    fn piece(text: &'static str, end: bool) -> HttpTask {
        HttpTask::Body((!text.is_empty()).then(|| Bytes::from_static(text.as_bytes())), end)
    }

    #[test]
    fn a_length_or_a_type_that_is_not_text_waits_for_the_decision_and_an_event_stream_for_nothing() {
        for (claim, content_type, length, until) in [
            (Claim::Image, "image/png", None, Until::Decided),
            (Claim::Image, "image/png", Some("9"), Until::Decided),
            (Claim::Binary, "font/woff2", None, Until::Decided),
            (Claim::Text, "text/html", Some("9"), Until::Decided),
            (Claim::Text, "text/html", None, Until::FirstPiece),
            (Claim::Text, "", None, Until::FirstPiece),
            (Claim::Text, "Text/Event-Stream; charset=utf-8", None, Until::Now),
            (Claim::Text, "text/event-stream", Some("9"), Until::Decided),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, length.parse().unwrap());
            }
            assert_eq!(
                Until::for_response(&headers, Some(&Inspection::new(claim))),
                until,
                "{content_type} {length:?}"
            );
            assert_eq!(Until::for_response(&headers, None), Until::Now);
        }
    }

    #[test]
    fn what_waits_goes_in_its_order_and_all_else_at_once() {
        let mut held = Held::default();
        assert_eq!(held.add(header(), false).len(), 1);
        assert_eq!(held.add(piece("a", false), false).len(), 1);
        assert!(held.add(piece("", false), true).is_empty(), "an empty piece says nothing");
        assert_eq!(held.add(piece("", true), true).len(), 1, "but for the last");
        for (until, first, last) in [(Until::FirstPiece, 2, 1), (Until::Decided, 0, 3)] {
            held.wait(until);
            assert!(held.add(header(), false).is_empty());
            assert_eq!(held.add(piece("a", false), false).len(), first, "{until:?}");
            let rest = held.add(piece("b", true), true);
            assert_eq!(rest.len(), last, "{until:?}");
            assert_eq!(matches!(rest[0], HttpTask::Header(..)), until == Until::Decided);
        }
        held.wait(Until::Decided);
        assert!(held.add(header(), false).is_empty());
        assert!(held.add(piece("", false), false).is_empty(), "the inspection has taken it");
        assert_eq!(held.add(piece("ab", true), true).len(), 2);
    }
}
