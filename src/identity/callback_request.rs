//! The request to an authorization service about a token.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};

use crate::model::RequestPath;

use super::client::network;
use super::limits::fingerprint;
use super::percent::percent_decoded;
use super::request::RequestFacts;

/// Maximum bytes of a header or the query that are sent.
const MAX_SHOWN: usize = 1024;

/// Key of a request in tables: 128 bits of a SHA-256 over token, folder and client.
pub type QuestionKey = [u8; 16];

/// A request to an authorization service. Its result applies to every file of one folder for the same client and token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackRequest {
    /// Name of the service's [`CallbackSource`](super::CallbackSource).
    pub service: Arc<str>,
    /// The same for every request that the result covers.
    pub key: QuestionKey,
    /// The token, percent-decoded.
    pub token: String,
    /// The requested folder, without its first `/`, percent-decoded. The whole path for a file in no folder, or if an
    /// origin may read the path as another folder (`..`, encoded slashes).
    pub name: String,
    /// `hls`, `dash` or `http`, by the file's extension.
    pub proto: &'static str,
    /// The viewer's address.
    pub client: Option<IpAddr>,
    /// The requested host.
    pub host: String,
    /// The query without the token.
    pub query: String,
    /// The `User-Agent`.
    pub user_agent: String,
    /// The `Referer`.
    pub referer: String,
}

impl CallbackRequest {
    /// The request for this token.
    pub(super) fn new(service: &Arc<str>, token: &[u8], request: &RequestFacts<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&percent_decoded(bytes)).into_owned();
        let header = |name: HeaderName| shown(header(request.headers, &name));
        let folder = folder(request.path);
        Self {
            service: service.clone(),
            key: key(token, request),
            token: text(token),
            name: text(folder.strip_prefix('/').unwrap_or(folder).as_bytes()),
            proto: proto(request.path),
            client: request.client.map(|client| client.to_canonical()),
            host: shown(request.host.as_bytes()),
            query: shown(request.query.unwrap_or_default().as_bytes()),
            user_agent: header(USER_AGENT),
            referer: header(REFERER),
        }
    }
}

/// The key of the request in tables.
pub(super) fn key(token: &[u8], request: &RequestFacts<'_>) -> QuestionKey {
    // By network, as a household changes its IPv6 addresses.
    let client = network(request.client).to_be_bytes();
    fingerprint(&[b"question", &percent_decoded(token), folder(request.path).as_bytes(), &client])
}

/// The part of the path that a result covers.
fn folder(path: &str) -> &str {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if parent.is_empty() || !RequestPath::new(path).ambiguities().is_empty() { path } else { parent }
}

fn proto(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        _ if extension.eq_ignore_ascii_case("m3u8") => "hls",
        _ if extension.eq_ignore_ascii_case("mpd") => "dash",
        _ => "http",
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a [u8] {
    headers.get(name).map_or(&[], |value| value.as_bytes())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_SHOWN).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(token: &str, path: &str, client: Option<&str>) -> CallbackRequest {
        let headers = HeaderMap::new();
        let client = client.map(|client| client.parse().unwrap());
        let request = RequestFacts { client, ..RequestFacts::new(path, Some("a=1"), &headers) };
        CallbackRequest::new(&"tv".into(), token.as_bytes(), &request)
    }

    #[test]
    fn one_answer_covers_the_files_of_one_folder_for_one_client_with_one_token() {
        let first = asked("t", "/live/news/index.m3u8", Some("192.0.2.1"));
        assert_eq!((first.name.as_str(), first.proto, first.query.as_str()), ("live/news", "hls", "a=1"));
        assert_eq!(first.key, asked("t", "/live/news/1.ts", Some("::ffff:192.0.2.1")).key);
        assert_eq!(first.key, asked("%74", "/live/news/1.ts", Some("192.0.2.1")).key);
        for other in [
            asked("u", "/live/news/index.m3u8", Some("192.0.2.1")),
            asked("t", "/live/sport/index.m3u8", Some("192.0.2.1")),
            asked("t", "/live/news/720p/index.m3u8", Some("192.0.2.1")),
            asked("t", "/live/news/index.m3u8", Some("192.0.2.2")),
            asked("t", "/live/news/index.m3u8", None),
        ] {
            assert_ne!(first.key, other.key, "{other:?}");
        }
    }

    #[test]
    fn a_file_in_no_folder_is_asked_about_by_its_own_name() {
        assert_eq!(asked("t", "/my%20film.mpd", None).name, "my film.mpd");
        assert_ne!(asked("t", "/a.mpd", None).key, asked("t", "/b.mpd", None).key);
    }

    #[test]
    fn an_answer_about_a_folder_is_not_lent_to_a_path_that_leads_out_of_it() {
        let free = asked("t", "/free/a.m3u8", None);
        for path in [
            "/free/..%2fpaid%2fa.m3u8",
            "/free/..%5Cpaid%5Ca.m3u8",
            "/free/..\\paid\\a.m3u8",
            "/free/x/../a.m3u8",
            "/free/.%2E",
            "/free/..;x",
            "/free/..",
        ] {
            assert_ne!(asked("t", path, None).key, free.key, "{path}");
            let name = String::from_utf8(percent_decoded(path.as_bytes()).into_owned()).unwrap();
            assert_eq!(asked("t", path, None).name, name[1..], "{path}");
        }
    }
}
