//! Fields of an answer that contain paths: in a play, paths begin with the play session.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_LOCATION, HeaderName, LINK, LOCATION, REFRESH, SET_COOKIE};
use pingora::http::ResponseHeader;

use crate::media::{self, Target};

/// True if an answer has such fields. Most have none.
pub(super) fn are_in(response: &ResponseHeader) -> bool {
    [SET_COOKIE, CONTENT_LOCATION, LINK, REFRESH].iter().any(|name| response.headers.contains_key(name))
}

/// Rewrites the fields of an answer to the paths that the viewer requests in a play.
///
/// # Errors
/// A field could not be written.
pub(super) fn in_play(response: &mut ResponseHeader, target: &Target<'_>) -> pingora::Result<()> {
    let mut changed = set_cookies(response, target)?;
    changed |= rewrite(response, &CONTENT_LOCATION, |text| media::prefixed(text, target))?;
    changed |= rewrite(response, &LINK, |text| link(text, target))?;
    changed |= rewrite(response, &REFRESH, |text| refresh(text, target))?;
    if changed && !target.inherited {
        // A cache must not store one viewer's play session.
        response.insert_header(CACHE_CONTROL, "private, no-store")?;
    }
    Ok(())
}

/// The target of a redirect, in ASCII: some origins send bytes that must be percent-encoded (RFC 3986 §2.1).
pub(super) fn location(response: &ResponseHeader) -> Option<Cow<'_, str>> {
    response.headers.get(LOCATION).map(ascii)
}

/// A field's value, with bytes that are not ASCII percent-encoded.
fn ascii(value: &HeaderValue) -> Cow<'_, str> {
    if let Ok(text) = value.to_str() {
        return text.into();
    }
    let mut text = String::with_capacity(value.len() + 16);
    for byte in value.as_bytes() {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // cannot fail
        }
    }
    text.into()
}

fn rewrite(
    response: &mut ResponseHeader,
    name: &HeaderName,
    change: impl Fn(&str) -> Option<String>,
) -> pingora::Result<bool> {
    let before: Vec<_> = response.headers.get_all(name).iter().cloned().collect();
    let after: Vec<_> = before.iter().map(|value| change(&ascii(value))).collect();
    if after.iter().all(Option::is_none) {
        return Ok(false);
    }
    response.remove_header(name);
    for (before, after) in before.into_iter().zip(after) {
        match after {
            Some(after) => response.append_header(name.clone(), after)?,
            None => response.append_header(name.clone(), before)?,
        };
    }
    Ok(true)
}

/// `</a.m3u8>; rel=preload, <b>; rel=next` (RFC 8288 §3).
fn link(text: &str, target: &Target<'_>) -> Option<String> {
    let (mut out, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
    let mut quoted = false;
    while let Some(at) = rest.find(['<', '"']) {
        let (before, here) = rest.split_at_checked(at)?;
        out.push_str(before);
        if here.starts_with('"') {
            // A quoted string may contain brackets; an escaped quote does not end it.
            quoted ^= !(quoted && before.ends_with('\\'));
        }
        let end = here.find('>').filter(|_| here.starts_with('<') && !quoted);
        let Some(reference) = end.and_then(|end| here.get(1..end)) else {
            out.push_str(here.get(..1)?);
            rest = here.get(1..)?;
            continue;
        };
        let prefixed = media::prefixed(reference.trim(), target);
        changed |= prefixed.is_some();
        let _ = write!(out, "<{}>", prefixed.as_deref().unwrap_or(reference)); // cannot fail
        rest = here.get(reference.len() + 2..)?;
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// `5; url=/a.m3u8` (HTML standard, shared declarative refresh steps).
fn refresh(text: &str, target: &Target<'_>) -> Option<String> {
    let at = text.find([';', ','])?;
    let (seconds, rest) = text.split_at_checked(at)?;
    let reference = rest.get(1..)?.trim();
    let is_named = reference.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("url"));
    let named = reference.get(3..).and_then(|rest| rest.trim_start().strip_prefix('='));
    let reference = named.filter(|_| is_named).unwrap_or(reference).trim();
    let quote = reference.chars().next().filter(|first| matches!(first, '"' | '\''));
    let bare = quote.and_then(|quote| reference.get(1..)?.split(quote).next()).unwrap_or(reference);
    media::prefixed(bare, target).map(|prefixed| format!("{seconds}; url={prefixed}"))
}

/// Sets cookies for the paths of the play as well. A cookie with a path, or with that of the request (RFC 6265 §5.1.4),
/// would not be sent with the requests of the play. The original stays, for later requests of the entry manifest.
fn set_cookies(response: &mut ResponseHeader, target: &Target<'_>) -> pingora::Result<bool> {
    let cookies: Vec<_> = response.headers.get_all(SET_COOKIE).iter().cloned().collect();
    let mut changed = false;
    for cookie in cookies {
        if let Some(copy) = in_play_as_well(cookie.as_bytes(), target) {
            response.append_header(SET_COOKIE, copy)?;
            changed = true;
        }
    }
    Ok(changed)
}

fn in_play_as_well(cookie: &[u8], target: &Target<'_>) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = cookie.split(|byte| *byte == b';').collect();
    // Clients refuse such a name with any path but the root (RFC 6265bis §4.1.3.2).
    if parts.first()?.trim_ascii_start().get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"__Host-")) {
        return None;
    }
    // The last path counts.
    let path = parts.iter().skip(1).rev().find_map(|part| path_of(part));
    let path = path.filter(|path| path.starts_with(b"/"));
    let path = match path {
        Some(path) => path,
        // The request has the prefix, and so does its folder.
        None if target.inherited => return None,
        None => folder(target.document).as_bytes(),
    };
    let prefix = target.prefix.as_bytes();
    if path == b"/" || prefix.is_empty() || path.starts_with(prefix) {
        return None;
    }
    let path = [b" Path=", prefix, path].concat();
    let mut nth = 0;
    parts.retain(|part| {
        nth += 1;
        nth == 1 || path_of(part).is_none()
    });
    parts.push(&path);
    Some(parts.join(&b';'))
}

fn path_of(attribute: &[u8]) -> Option<&[u8]> {
    let at = attribute.iter().position(|byte| *byte == b'=')?;
    let (name, value) = attribute.split_at_checked(at)?;
    name.trim_ascii().eq_ignore_ascii_case(b"path").then(|| value.get(1..).unwrap_or_default().trim_ascii())
}

/// The default path of a cookie: up to the last slash, exclusive.
fn folder(document: &str) -> &str {
    document.rfind('/').filter(|at| *at > 0).and_then(|at| document.get(..at)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(inherited: bool) -> Target<'static> {
        Target {
            prefix: "/~s/X",
            document: "/live/news/a.m3u8",
            query: None,
            inherited,
            authority: "tv.example",
            origin: Some("o.example"),
            site: "https://tv.example",
        }
    }

    fn parse(name: HeaderName, value: &[u8], inherited: bool) -> Vec<String> {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.append_header(name.clone(), value.to_vec()).unwrap();
        in_play(&mut response, &target(inherited)).unwrap();
        response.headers.get_all(name).iter().map(|value| ascii(value).into_owned()).collect()
    }

    #[test]
    fn a_cookie_comes_back_with_the_requests_of_the_play() {
        for (cookie, copy) in [
            ("sid=1; Path=/live; HttpOnly", Some("sid=1; HttpOnly; Path=/~s/X/live")),
            ("sid=1;path = /live/news/ ;Secure", Some("sid=1;Secure; Path=/~s/X/live/news/")),
            ("sid=1; Path=/a; Path=/b", Some("sid=1; Path=/~s/X/b")),
            ("sid=1; Path=/", None),
            ("sid=1; Path=/; Path=/b", Some("sid=1; Path=/~s/X/b")),
            ("sid=a=b; Max-Age=0; Path=/live", Some("sid=a=b; Max-Age=0; Path=/~s/X/live")),
            ("sid=1; Path=/~s/X/live", None),
            ("__Host-sid=1; Secure; Path=/", None),
            ("path=/x; Path=/", None),
            ("path=/x; Path=/live", Some("path=/x; Path=/~s/X/live")),
        ] {
            for inherited in [true, false] {
                let expected: Vec<_> = [Some(cookie), copy].into_iter().flatten().map(str::to_owned).collect();
                assert_eq!(parse(SET_COOKIE, cookie.as_bytes(), inherited), expected, "{cookie}");
            }
        }
    }

    #[test]
    fn a_cookie_without_a_path_has_the_folder_of_the_request() {
        for cookie in ["sid=1", "sid=1; Path", "sid=1; Path=", "sid=1; Path=live"] {
            let without = parse(SET_COOKIE, cookie.as_bytes(), false);
            assert!(without[1].starts_with("sid=1") && without[1].ends_with("; Path=/~s/X/live/news"), "{without:?}");
            assert_eq!(parse(SET_COOKIE, cookie.as_bytes(), true), [cookie], "the request's folder has the prefix");
        }
        assert_eq!((folder("/a.m3u8"), folder("/a/b.m3u8"), folder("/a/")), ("/", "/a", "/a"));
    }

    #[test]
    fn references_to_ourselves_are_given_the_prefix_in_every_field() {
        for (name, before, after) in [
            (CONTENT_LOCATION, "/live/b.m3u8", "/~s/X/live/b.m3u8"),
            (CONTENT_LOCATION, "https://tv.example/b", "https://tv.example/~s/X/b"),
            (CONTENT_LOCATION, "http://o.example/b", "/~s/X/b"),
            (CONTENT_LOCATION, "https://cdn.example/b", "https://cdn.example/b"),
            (
                LINK,
                "</a.ts>; rel=preload; title=\"<\\\"/x>\", <https://cdn.example/b>; rel=x,<//tv.example/c>",
                "</~s/X/a.ts>; rel=preload; title=\"<\\\"/x>\", <https://cdn.example/b>; rel=x,<//tv.example/~s/X/c>",
            ),
            (LINK, "</a", "</a"),
            (REFRESH, "5; url=/a.m3u8", "5; url=/~s/X/a.m3u8"),
            (REFRESH, "0;URL='/a.m3u8'", "0; url=/~s/X/a.m3u8"),
            (REFRESH, "5, /a.m3u8", "5; url=/~s/X/a.m3u8"),
            (REFRESH, "5", "5"),
        ] {
            assert_eq!(parse(name.clone(), before.as_bytes(), true), [after], "{name}: {before}");
        }
    }

    #[test]
    fn bytes_that_are_not_ascii_are_written_as_percent_codes() {
        for (raw, written) in [("/é.m3u8".as_bytes(), "/%C3%A9.m3u8"), (&b"/\xE9.m3u8"[..], "/%E9.m3u8")] {
            let mut response = ResponseHeader::build(302, None).unwrap();
            response.insert_header(LOCATION, raw.to_vec()).unwrap();
            assert_eq!(location(&response).as_deref(), Some(written));
        }
        assert_eq!(parse(CONTENT_LOCATION, "/é".as_bytes(), true), ["/~s/X/%C3%A9"]);
    }
}
