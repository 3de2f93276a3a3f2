//! The demo's origin: files and the live channel over HTTP/1.1.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::live::{Channel, Published};
use super::media;
use super::range::{self, Wanted};
use crate::model::{Clock, Millis};

/// Serves the demo's media on `listener` until `stop` completes. Then closes all connections.
///
/// Paths: `/vod/master.m3u8` (HLS, fragmented MP4), `/vod/ts/master.m3u8` (HLS, MPEG-TS), `/vod/manifest.mpd` (DASH),
/// `/live/master.m3u8` and `/live/channel.m3u8` (live HLS), and what they refer to. GET, HEAD, conditional and range
/// requests.
///
/// # Errors
///
/// The listener has failed. A failed connection affects no other.
pub async fn serve(
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    // The only error that is not caused by a client.
    listener.local_addr()?;
    let channel = Channel::full_at(clock.wall());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let clock = Arc::clone(&clock);
                    connections.spawn(async move {
                        let answer = service_fn(move |request| {
                            let response = respond(&request, channel, clock.wall());
                            async move { Ok::<_, Infallible>(response) }
                        });
                        // Errors here are the client's: it disconnected or does not speak HTTP.
                        let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
                    });
                }
                // Out of file descriptors, or the client has disconnected: try the next one.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

/// A full response, before conditions and ranges are applied.
struct Resource {
    bytes: Bytes,
    content_type: &'static str,
    cache_control: &'static str,
}

fn resource(path: &str, channel: Channel, now: Millis) -> Option<Resource> {
    let path = path.strip_prefix('/')?;
    if let Some(name) = path.strip_prefix("live/") {
        return Some(match channel.published(name, now)? {
            Published::Playlist(text) => {
                Resource { bytes: Bytes::from(text), content_type: media::HLS, cache_control: "max-age=1" }
            }
            Published::Segment(bytes) => Resource {
                bytes: Bytes::from_static(bytes),
                content_type: media::content_type(name),
                cache_control: "max-age=60",
            },
        });
    }
    let file = media::file(path)?;
    Some(Resource {
        bytes: Bytes::from_static(file.bytes),
        content_type: media::content_type(path),
        cache_control: "max-age=60",
    })
}

/// Answers one request. The body is complete for HEAD, too: hyper uses its length and omits it.
fn respond<B>(request: &Request<B>, channel: Channel, now: Millis) -> Response<Full<Bytes>> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => match resource(request.uri().path(), channel, now) {
            Some(resource) => answer(request.headers(), &resource),
            None => plain(StatusCode::NOT_FOUND),
        },
        Method::OPTIONS => plain(StatusCode::NO_CONTENT),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED),
    };
    let headers = response.headers_mut();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    response
}

fn answer(request: &HeaderMap, resource: &Resource) -> Response<Full<Bytes>> {
    let etag = etag(&resource.bytes);
    let length = resource.bytes.len();
    let mut response = if value(request, &header::IF_NONE_MATCH).is_some_and(|known| names(known, &etag)) {
        plain(StatusCode::NOT_MODIFIED)
    } else {
        // A range of another version would corrupt the client's copy (RFC 9110 §13.1.5).
        let same_version = value(request, &header::IF_RANGE).is_none_or(|version| version == etag);
        match value(request, &header::RANGE).filter(|_| same_version).map(|range| range::wanted(range, length)) {
            Some(Wanted::Part(part)) => {
                let content_range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                let mut response = Response::new(Full::new(resource.bytes.slice(part)));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(response.headers_mut(), header::CONTENT_RANGE, content_range);
                response
            }
            Some(Wanted::Unsatisfiable) => {
                let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
                insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
                return response;
            }
            Some(Wanted::Whole) | None => Response::new(Full::new(resource.bytes.clone())),
        }
    };
    let headers = response.headers_mut();
    insert(headers, header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(resource.cache_control));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(resource.content_type));
    response
}

/// A response without body.
fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Only for our own values, which are ASCII.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// A strong validator: the hash of the bytes.
fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// True if an `If-None-Match` value contains this validator (weak comparison, RFC 9110 §13.1.2).
fn names(known: &str, etag: &str) -> bool {
    known.trim() == "*" || known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    const NOW: Millis = Millis(1_767_225_600_000);

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Millis {
            NOW
        }
    }

    fn ask(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response<Full<Bytes>> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        respond(&request, Channel::full_at(NOW), NOW)
    }

    fn get(path: &str) -> Response<Full<Bytes>> {
        ask(Method::GET, path, &[])
    }

    fn header_value<'a>(response: &'a Response<Full<Bytes>>, name: &HeaderName) -> &'a str {
        value(response.headers(), name).unwrap_or_default()
    }

    async fn body(response: Response<Full<Bytes>>) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[test]
    fn each_entry_manifest_is_there_with_its_content_type() {
        for (path, content_type) in [
            ("/vod/master.m3u8", "application/vnd.apple.mpegurl"),
            ("/vod/ts/master.m3u8", "application/vnd.apple.mpegurl"),
            ("/vod/manifest.mpd", "application/dash+xml"),
            ("/live/master.m3u8?utm=1", "application/vnd.apple.mpegurl"),
            ("/live/channel.m3u8", "application/vnd.apple.mpegurl"),
        ] {
            let response = get(path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header_value(&response, &header::CONTENT_TYPE), content_type, "{path}");
            assert_eq!(header_value(&response, &header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        }
    }

    #[tokio::test]
    async fn a_range_of_a_segment_is_that_part_of_it() {
        let whole = body(get("/vod/segment-0-01.m4s")).await;
        let response = ask(Method::GET, "/vod/segment-0-01.m4s", &[(header::RANGE, "bytes=4-7")]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(header_value(&response, &header::CONTENT_RANGE), format!("bytes 4-7/{}", whole.len()));
        assert_eq!(body(response).await, whole.slice(4..8));
    }

    #[test]
    fn a_range_behind_the_end_is_416_with_the_length() {
        let response = ask(Method::GET, "/vod/init-0.mp4", &[(header::RANGE, "bytes=100000-")]);
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert!(header_value(&response, &header::CONTENT_RANGE).starts_with("bytes */"));
    }

    #[test]
    fn a_known_version_is_304_and_a_range_of_another_version_is_all_of_this_one() {
        let etag = header_value(&get("/vod/init-0.mp4"), &header::ETAG).to_owned();
        for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
            let response = ask(Method::GET, "/vod/init-0.mp4", &[(header::IF_NONE_MATCH, &known)]);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(header_value(&response, &header::ETAG), etag);
        }
        let stale = [(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"other\"")];
        assert_eq!(ask(Method::GET, "/vod/init-0.mp4", &stale).status(), StatusCode::OK);
        let fresh = [(header::RANGE, "bytes=0-1"), (header::IF_RANGE, &etag)];
        assert_eq!(ask(Method::GET, "/vod/init-0.mp4", &fresh).status(), StatusCode::PARTIAL_CONTENT);
    }

    #[test]
    fn a_preflight_is_allowed_and_what_is_unknown_is_refused() {
        assert_eq!(ask(Method::OPTIONS, "/vod/master.m3u8", &[]).status(), StatusCode::NO_CONTENT);
        assert_eq!(ask(Method::POST, "/vod/master.m3u8", &[]).status(), StatusCode::METHOD_NOT_ALLOWED);
        for path in ["/", "/vod/", "/vod/../vod/master.m3u8", "/live/high-999999999999.ts", "/nothing"] {
            assert_eq!(get(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn one_connection_carries_many_requests_and_ends_when_the_origin_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let origin = tokio::spawn(serve(listener, Arc::new(Still), async move {
            let _ = stopped.await;
        }));
        let mut connection = TcpStream::connect(address).await.unwrap();

        connection.write_all(b"HEAD /vod/init-0.mp4 HTTP/1.1\r\nHost: demo\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = media::file("vod/init-0.mp4").unwrap().bytes.len();
        assert!(head.starts_with("http/1.1 200") && head.contains(&format!("content-length: {length}\r\n")), "{head}");

        // The next answer follows at once: HEAD had no body.
        connection.write_all(b"GET /vod/init-0.mp4 HTTP/1.1\r\nHost: demo\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        connection.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");

        stop.send(()).unwrap();
        origin.await.unwrap().unwrap();
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() > length);
    }
}
