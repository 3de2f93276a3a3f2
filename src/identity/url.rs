//! URLs in tokens.

/// Host and optional port of an authority. An IPv6 address keeps its brackets.
pub(super) fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let whole = (authority, None);
    let Some((host, port)) = authority.rsplit_once(':') else { return whole };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = is_bracketed || !host.contains([':', '[', ']']);
    if !is_host || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole;
    }
    (host, Some(port).filter(|port| !port.is_empty()))
}

/// The normal form of an `http` or `https` URL for comparison (RFC 9246 §2.1.15, RFC 3986 §6.2.2 and §6.2.3): scheme
/// and host in lower case, `%XX` only where required and in upper case, no dot segments, no default port, at least `/`
/// for a path.
///
/// `None` if it is not such a URL, has no host, or a `%` without two digits.
pub fn normal_form(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let implied = [("http", "80"), ("https", "443")];
    let (scheme, implied) = implied.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme))?;
    let (authority, rest) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    let (path, rest) = rest.split_at_checked(rest.find(['?', '#']).unwrap_or(rest.len()))?;
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (host, port) = host_and_port(host);
    if host.is_empty() {
        return None;
    }
    let user = match user {
        Some(user) => escaped(user)? + "@",
        None => String::new(),
    };
    let host = in_small_letters(&escaped(host)?);
    let port = port.filter(|port| *port != implied).map_or_else(String::new, |port| format!(":{port}"));
    let path = remove_dot_segments(&escaped(path)?);
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{user}{host}{port}{slash}{path}{rest}", rest = escaped(rest)?))
}

/// A path without its `.` and `..` segments (RFC 3986 §5.2.4).
pub fn remove_dot_segments(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut is_folder = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        is_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let slash = if is_folder && !kept.is_empty() { "/" } else { "" };
    format!("{}{}{slash}", if absolute { "/" } else { "" }, kept.join("/"))
}

/// Normalizes escapes: `%XX` in upper case, for everything that requires it and nothing else (§2.3).
fn escaped(text: &str) -> Option<String> {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, plain) = if byte == b'%' {
            let byte = digit(bytes.next()?)? << 4 | digit(bytes.next()?)?;
            (byte, byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
        } else {
            (byte, byte.is_ascii_graphic())
        };
        if plain {
            out.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)).copied());
            out.push('%');
            out.extend(digits.into_iter().flatten());
        }
    }
    Some(out)
}

/// Lower case, except after a `%`.
fn in_small_letters(host: &str) -> String {
    let mut digits = 0;
    let small = |c: char| {
        digits = if c == '%' { 3_u8 } else { digits.saturating_sub(1) };
        // 3 at the percent sign, 2 and 1 at its digits.
        if digits > 0 { c } else { c.to_ascii_lowercase() }
    };
    host.chars().map(small).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_the_end_of_an_address() {
        for (authority, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:8080", "a.example", Some("8080")),
            ("a.example:", "a.example", None),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:80", "[2001:db8::1]", Some("80")),
            ("2001:db8::1", "2001:db8::1", None),
            ("a.example:port", "a.example:port", None),
            ("", "", None),
        ] {
            assert_eq!(host_and_port(authority), (host, port), "{authority}");
        }
    }

    #[test]
    fn urls_that_are_written_differently_and_mean_the_same_have_one_normal_form() {
        for (url, normal) in [
            ("http://a.example", "http://a.example/"),
            ("HTTP://A.Example:80?x=1", "http://a.example/?x=1"),
            ("https://a.example:/b", "https://a.example/b"),
            ("https://a.example:443/b", "https://a.example/b"),
            ("https://a.example:80/b", "https://a.example:80/b"),
            ("https://Me:Too@A.example/", "https://Me:Too@a.example/"),
            ("http://a.example/%7Eb/%2fc%2F/%e9?q=%41%3d", "http://a.example/~b/%2Fc%2F/%E9?q=A%3D"),
            ("http://a.example/live/%2e%2E/vod/./x", "http://a.example/vod/x"),
            ("http://a.example/../../x?y=/../z", "http://a.example/x?y=/../z"),
            ("http://a.example/é b", "http://a.example/%C3%A9%20b"),
            ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
            ("http://%C3%89%58.example/", "http://%C3%89x.example/"),
        ] {
            assert_eq!(normal_form(url).as_deref(), Some(normal), "{url}");
            assert_eq!(normal_form(normal).as_deref(), Some(normal), "the normal form of {normal} is itself");
        }
    }

    #[test]
    fn what_is_no_url_of_the_web_has_no_normal_form() {
        for url in
            ["", "ht", "http:/a.example/", "ftp://a.example/", "http://", "http://:80/", "http://me@/", "/live/a"]
        {
            assert_eq!(normal_form(url), None, "{url}");
        }
        for url in ["http://a.example/%", "http://a.example/%4", "http://a.example/%4x", "http://a.example/%+4"] {
            assert_eq!(normal_form(url), None, "{url}");
        }
    }

    #[test]
    fn dot_segments_go_and_never_lead_above_the_root() {
        for (path, clean) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("mid/content=5/../6", "mid/6"),
            ("/a/b/..", "/a/"),
            ("/../a", "/a"),
            ("/a//../b", "/a/b"),
            ("/.//a", "//a"),
            ("/...", "/..."),
            ("/a/.", "/a/"),
        ] {
            assert_eq!(remove_dot_segments(path), clean, "{path}");
        }
    }
}
