//! Paths of URLs: directories and dot segments (RFC 3986 §5.2). Raw bytes, nothing is decoded or normalised.

use memchr::{memchr, memchr_iter, memchr2, memrchr};

/// Where the path of a reference ends that begins at `from`: at its query, its fragment, or the end.
pub(super) fn path_end(reference: &[u8], from: usize) -> usize {
    let rest = reference.get(from..).unwrap_or_default();
    memchr2(b'?', b'#', rest).map_or(reference.len(), |at| from + at)
}

/// The path up to its last slash, that slash included.
pub(super) fn directory(path: &[u8]) -> &[u8] {
    memrchr(b'/', path).and_then(|at| path.get(..=at)).unwrap_or(b"/")
}

#[derive(PartialEq, Eq)]
enum Dots {
    Current,
    Parent,
}

/// Dot segments as browsers see them: a dot may be percent-encoded (WHATWG URL, "double-dot URL path segment").
fn dots(segment: &[u8]) -> Option<Dots> {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return None,
        };
        count += 1;
    }
    match count {
        1 => Some(Dots::Current),
        2 => Some(Dots::Parent),
        _ => None,
    }
}

/// True if a path has a segment that leads to the directory above.
pub(super) fn has_parent(path: &[u8]) -> bool {
    memchr2(b'.', b'%', path).is_some() && path.split(|byte| *byte == b'/').any(|it| dots(it) == Some(Dots::Parent))
}

/// True if a path that starts `depth` directories below the root leaves it on its way, even if it comes back.
pub(super) fn climbs(depth: usize, path: &[u8]) -> bool {
    if memchr2(b'.', b'%', path).is_none() {
        return false;
    }
    let mut depth = depth;
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/') {
        match dots(segment) {
            Some(Dots::Parent) => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            Some(Dots::Current) => {}
            None => depth += 1,
        }
    }
    false
}

/// How many directories lie between the root and the inside of `directory`.
pub(super) fn depth(directory: &[u8]) -> usize {
    memchr_iter(b'/', resolve(b"/", directory).as_slice()).count().saturating_sub(1)
}

/// RFC 3986 §5.2.3 and §5.2.4. `from` ends with a slash; the result starts with one.
pub(super) fn resolve(from: &[u8], path: &[u8]) -> Vec<u8> {
    let mut resolved = Vec::with_capacity(from.len() + path.len() + 1);
    resolved.push(b'/');
    append(&mut resolved, from);
    append(&mut resolved, path);
    resolved
}

/// Walks a path from the directory that `resolved` names, which ends with a slash.
fn append(resolved: &mut Vec<u8>, path: &[u8]) {
    let mut rest = path.strip_prefix(b"/").unwrap_or(path);
    loop {
        let at = memchr(b'/', rest);
        let segment = at.and_then(|at| rest.get(..at)).unwrap_or(rest);
        match dots(segment) {
            Some(Dots::Current) => {}
            Some(Dots::Parent) => {
                let parent = resolved.get(..resolved.len().saturating_sub(1)).map_or(b"/".as_slice(), directory).len();
                resolved.truncate(parent);
            }
            None => {
                resolved.extend_from_slice(segment);
                if at.is_some() {
                    resolved.push(b'/');
                }
            }
        }
        match at.and_then(|at| rest.get(at + 1..)) {
            Some(next) => rest = next,
            None => return,
        }
    }
}
