//! Finds the stream of a request by its path and its device alone.
//!
//! With forward authentication, the gateway sees no manifests, so no request carries a play session. Each has only the
//! token, and a playlist refresh looks like a start. What an entry manifest leads to is nearly always in its folder or
//! below: requests there belong to the device's stream of it, and any other manifest is a start.

use std::sync::Arc;

use super::Admission;
use crate::config::Application;
use crate::identity::Viewer;
use crate::media::Kind;
use crate::model::{Millis, StreamId};
use crate::streams::Stream;

/// The stream that a device's request belongs to.
pub(super) enum StreamMatch {
    /// A stream in the table, or a terminated one.
    To(StreamId, Option<Arc<Stream>>),
    /// A stream that the device starts again.
    Again(StreamId),
    /// No known stream.
    Nothing,
}

impl Admission {
    /// Finds the device's stream to which a request for `path` belongs. One look-up for segments of what the device
    /// plays.
    pub(super) async fn match_stream(
        &self,
        viewer: &Viewer,
        path: &str,
        kind: Kind,
        application: &Application,
        now: Millis,
    ) -> StreamMatch {
        let is_entry = kind.is_entry();
        let is_again = |stream: &Stream| is_entry && *stream.asset == *path;
        let playing = self.table.find_of_device(&viewer.account.key(), &application.id, &viewer.device);
        // A declared stream has no path.
        let is_declared = |stream: &Stream| stream.is_declared() && stream.plays_same_content(&viewer.attributes);
        let of_it = |stream: &Arc<Stream>| !is_entry || leads_to(&stream.asset, path) || is_declared(stream);
        if let Some(stream) = playing.filter(of_it) {
            // Some players request it twice before media; afterwards it is a refresh.
            if is_again(&stream) && stream.is_playing() {
                stream.returned_to_entry();
            }
            return StreamMatch::To(stream.id, Some(stream));
        }
        let Ok(record) = self.table.record(&viewer.account, now).await else { return StreamMatch::Nothing };
        let is_own = |stream: &Stream| {
            stream.device == viewer.device && stream.application == application.id && leads_to(&stream.asset, path)
        };
        let known = record.streams().iter().filter(|stream| is_own(stream)).max_by_key(|stream| stream.since());
        if let Some(stream) = known {
            let id = stream.id;
            return if is_again(stream) { StreamMatch::Again(id) } else { StreamMatch::To(id, Some(stream.clone())) };
        }
        let ended = record.tombstones().iter().rev().filter(|tombstone| !tombstone.may_be_started_again(now));
        let ended = ended.map(|tombstone| &tombstone.stream).find(|stream| is_own(stream));
        match ended {
            // The player continues by itself. A new request for a multivariant playlist means that the viewer
            // restarted.
            Some(stream) if !is_again(stream) || kind == Kind::Mpd || stream.refreshes_entry() => {
                StreamMatch::To(stream.id, None)
            }
            _ => StreamMatch::Nothing,
        }
    }
}

/// True if an entry manifest may lead to a path: the path is in the manifest's folder or below.
fn leads_to(entry: &str, path: &str) -> bool {
    entry.rfind('/').and_then(|at| entry.get(..=at)).is_some_and(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::leads_to;

    #[test]
    fn what_lies_in_the_folder_of_an_entry_manifest_or_below_may_be_its() {
        for path in ["/live/news/720p.m3u8", "/live/news/audio/1.m3u8", "/live/news/master.m3u8"] {
            assert!(leads_to("/live/news/master.m3u8", path), "{path}");
        }
        for path in ["/live/sports/master.m3u8", "/live/news", "/live/newsroom/a.m3u8"] {
            assert!(!leads_to("/live/news/master.m3u8", path), "{path}");
        }
        assert!(!leads_to("unknown", "/live/a.m3u8"));
    }
}
