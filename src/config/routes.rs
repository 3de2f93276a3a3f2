//! Routing: the application and the origin of a request.

use std::collections::HashMap;
use std::sync::Arc;

use super::application::Application;
use super::origin::Origin;
use crate::model::{Ambiguities, RequestPath};

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Owner of the requests.
    pub application: Arc<Application>,
    /// Target of the requests; `None`: the route only serves forward authentication.
    pub origin: Option<Arc<Origin>>,
    /// Ambiguous spellings that the origin may receive.
    pub ambiguous_paths: Ambiguities,
}

/// Why a request has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path has an ambiguous spelling that its route does not allow.
    #[error(
        "the gateway refuses this path (400, ambiguous-path): origins interpret its dot segments, encoded slashes or \
         backslashes \
         differently; set `ambiguous_paths` of the route to allow them"
    )]
    Ambiguous,
    /// No route matches.
    #[error("no route matches this URL")]
    NoRoute,
}

/// Every route.
#[derive(Debug, Default)]
pub struct Routes {
    /// By host in lower case, sorted.
    hosts: Vec<(Box<str>, Paths)>,
    any: Paths,
}

/// The routes of one host.
#[derive(Debug, Default)]
struct Paths {
    /// By path without trailing slash; the empty path matches everything.
    routes: HashMap<Box<[u8]>, Route>,
    /// Maximum number of slashes.
    deepest: usize,
}

impl Routes {
    /// The route of a request: the longest matching path among the routes with its host, then among those without a
    /// host.
    ///
    /// `host` is the raw `Host`; port, case and a final dot are ignored. `path` is the raw path without the play
    /// session. Prefixes match at segment borders. Dot segments, doubled slashes and percent-encoding are resolved as
    /// origins do, so that `/%6Cive/../paid/a` matches `/paid`. Plain paths cost no allocation.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&Route> {
        self.find_read(host, &RequestPath::new(path).resolved())
    }

    /// The route of a request that may be forwarded.
    ///
    /// # Errors
    /// No route matches, or the path is ambiguous and the route does not allow that.
    pub fn resolve(&self, host: Option<&str>, path: &str) -> Result<&Route, RouteError> {
        let read = RequestPath::new(path);
        let route = self.find(host, path);
        if !read.ambiguities().is_empty() {
            let is_allowed = |route: &&Route| {
                read.ambiguities().without(route.ambiguous_paths).is_empty() && self.lead_to(route, host, &read)
            };
            return route.filter(is_allowed).ok_or(RouteError::Ambiguous);
        }
        route.ok_or(RouteError::NoRoute)
    }

    /// True if the path matches this route in every reading of an origin, apart from doubled slashes.
    pub fn lead_to(&self, route: &Route, host: Option<&str>, path: &RequestPath<'_>) -> bool {
        let is_this = |found: &Route| std::ptr::eq(found, route);
        path.in_every_reading(|reading, text| {
            let is_doubled = !reading.merges_slashes() && memchr::memmem::find(text, b"//").is_some();
            is_doubled || self.find_read(host, text).is_some_and(is_this)
        })
    }

    fn find_read(&self, host: Option<&str>, path: &[u8]) -> Option<&Route> {
        let of_host = host.and_then(|host| self.host(bare(host))).and_then(|paths| paths.find(path));
        of_host.or_else(|| self.any.find(path))
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.hosts.iter().map(|(_, paths)| paths.routes.len()).sum::<usize>() + self.any.routes.len()
    }

    /// True if there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn host(&self, host: &str) -> Option<&Paths> {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        let at = self.hosts.binary_search_by(|(known, _)| known.bytes().cmp(host.bytes().map(lower))).ok()?;
        self.hosts.get(at).map(|(_, paths)| paths)
    }

    /// Adds a route, or replaces one with the same [`key`].
    pub(super) fn add(&mut self, (host, path): Key, route: Route) {
        let paths = match host {
            None => Some(&mut self.any),
            Some(host) => {
                let at = self.hosts.binary_search_by(|(known, _)| known.cmp(&host)).unwrap_or_else(|free| {
                    self.hosts.insert(free, (host, Paths::default()));
                    free
                });
                self.hosts.get_mut(at).map(|(_, paths)| paths)
            }
        };
        if let Some(paths) = paths {
            paths.deepest = paths.deepest.max(path.matches('/').count());
            paths.routes.insert(path.as_bytes().into(), route);
        }
    }
}

/// Identifies a route: the host in lower case, and the path without trailing slash.
pub(super) type Key = (Option<Box<str>>, Box<str>);

/// The key of a route, from its text.
pub(super) fn key(host: Option<&str>, path: &str) -> Key {
    (host.map(|host| bare(host).to_ascii_lowercase().into()), path.trim_end_matches('/').into())
}

impl Paths {
    fn find(&self, path: &[u8]) -> Option<&Route> {
        if self.routes.is_empty() {
            return None;
        }
        // Candidates end before each slash and at the end of the path, up to the depth of the deepest route.
        let slashes = memchr::memchr_iter(b'/', path);
        let borders = slashes.chain([path.len()]).take(self.deepest + 1);
        borders.filter_map(|border| self.routes.get(path.get(..border)?)).last()
    }
}

/// True if the host has a port.
pub(super) fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address are inside brackets.
    host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

/// A `Host` without port and final dot.
fn bare(host: &str) -> &str {
    let name = if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests;
