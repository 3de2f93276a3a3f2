//! Which application and which origin a request belongs to.

use std::collections::HashMap;
use std::sync::Arc;

use super::application::Application;
use super::origin::Origin;
use crate::model::{Ambiguities, RequestPath};

/// Where requests of one path lead.
#[derive(Clone, Debug)]
pub struct Route {
    /// Whose they are.
    pub application: Arc<Application>,
    /// Where they go; `None`: nowhere, only other proxies ask about them.
    pub origin: Option<Arc<Origin>>,
    /// What of a path its origin may see although origins read it in different ways.
    pub ambiguous_paths: Ambiguities,
}

/// Why a request has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Its path holds dot segments or the like, which its route does not allow.
    #[error(
        "the gateway refuses this path (400, ambiguous-path): origins read dot segments, encoded slashes or backslashes in it in \
         different ways; `ambiguous_paths` of the route can allow them"
    )]
    Ambiguous,
    /// No route holds its path.
    #[error("no route leads there")]
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
    /// By path without its last slash: the empty one is everything.
    routes: HashMap<Box<[u8]>, Route>,
    /// Slashes in the longest of them.
    deepest: usize,
}

impl Routes {
    /// The route of a request: of those with its host, then of those without one, the longest path that holds `path`.
    ///
    /// `host` is the raw `Host`; port, case and a final dot do not count. `path` is the raw path without the play session.
    /// A path holds what lies below it, at segment borders. Dot segments, doubled slashes and percent-encoding are seen
    /// through, as origins do, so that `/%6Cive/../paid/a` belongs to `/paid`. Plain paths cost no allocation.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&Route> {
        self.find_read(host, &RequestPath::new(path).resolved())
    }

    /// The route of a request that may be passed on.
    ///
    /// # Errors
    /// There is none, or origins could read the path in different ways that the route does not allow.
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

    /// Whether the path belongs to this route however an origin reads it, apart from doubled slashes.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hosts.iter().map(|(_, paths)| paths.routes.len()).sum::<usize>() + self.any.routes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn host(&self, host: &str) -> Option<&Paths> {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        let at = self.hosts.binary_search_by(|(known, _)| known.bytes().cmp(host.bytes().map(lower))).ok()?;
        self.hosts.get(at).map(|(_, paths)| paths)
    }

    /// Adds a route in place of one with the same [`key`].
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

/// What two routes may not have in common: the host in lower case, and the path without its last slash.
pub(super) type Key = (Option<Box<str>>, Box<str>);

/// The key of a route, as it is written.
pub(super) fn key(host: Option<&str>, path: &str) -> Key {
    (host.map(|host| bare(host).to_ascii_lowercase().into()), path.trim_end_matches('/').into())
}

impl Paths {
    fn find(&self, path: &[u8]) -> Option<&Route> {
        if self.routes.is_empty() {
            return None;
        }
        // Every border is a candidate: before each slash, and the end. Deeper than the deepest route there is nothing.
        let slashes = memchr::memchr_iter(b'/', path);
        let borders = slashes.chain([path.len()]).take(self.deepest + 1);
        borders.filter_map(|border| self.routes.get(path.get(..border)?)).last()
    }
}

/// Whether a host is written with a port.
pub(super) fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand inside brackets.
    host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

/// A `Host` without its port and its final dot.
fn bare(host: &str) -> &str {
    let name = if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests;
