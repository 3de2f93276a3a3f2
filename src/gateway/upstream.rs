//! The servers of an origin: resolved in the background, used in turn, ejected while they fail.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use parking_lot::Mutex;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::resolver::{LOOKUP_TIMEOUT, Resolver};
use crate::config::{self, Origin, Settings};
use crate::model::Millis;
use crate::telemetry::{Metrics, OriginMetrics};

/// Consecutive failures to answer after which an address is ejected.
const FAILURES: u32 = 2;
/// Duration of an ejection. After it, requests try the address again; a failure renews the ejection.
const OUT_OF_USE: Duration = Duration::from_secs(10);

/// One address of an origin.
pub(super) struct Server {
    /// The name that resolved to it.
    host: Box<str>,
    address: SocketAddr,
    /// Cloned for each request, because building one resolves names and blocks.
    peer: HttpPeer,
    condition: Arc<Health>,
    /// Consecutive 5xx answers after which it is ejected; 0 for never.
    consecutive_5xx: u32,
    metrics: OriginMetrics,
}

/// Health and load of one upstream address. Survives configuration reloads.
#[derive(Default)]
struct Health {
    failures: AtomicU32,
    /// Consecutive 5xx answers.
    server_errors: AtomicU32,
    out_until: AtomicU64,
    active: AtomicUsize,
}

impl Server {
    fn new(address: SocketAddr, host: &str, origin: &Origin, condition: Arc<Health>, metrics: &OriginMetrics) -> Self {
        let sni = origin.host_header.as_deref().unwrap_or(host);
        // `host_header` may have a port; an IPv6 literal contains colons.
        let port = |(name, port): &(&str, &str)| !name.contains(':') && port.parse::<u16>().is_ok();
        let sni = sni.rsplit_once(':').filter(port).map_or(sni, |(name, _)| name);
        let mut peer = HttpPeer::new(address, origin.tls, sni.to_owned());
        let options = &mut peer.options;
        options.connection_timeout = Some(origin.connect_timeout);
        options.total_connection_timeout = Some(origin.connect_timeout + Duration::from_secs(1));
        options.read_timeout = Some(origin.read_timeout);
        options.write_timeout = Some(origin.write_timeout);
        options.idle_timeout = Some(origin.idle_timeout);
        options.verify_cert = origin.verify_certificate;
        options.verify_hostname = origin.verify_certificate;
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        let (consecutive_5xx, metrics) = (origin.consecutive_5xx, metrics.clone());
        Self { host: host.into(), address, peer, condition, consecutive_5xx, metrics }
    }

    fn is_healthy(&self, now: Millis) -> bool {
        now.0 >= self.condition.out_until.load(Relaxed)
    }

    /// Records an answer with this status, `took` after the request.
    pub(super) fn answered(&self, status: StatusCode, took: Duration, now: Millis) {
        self.metrics.answered(status.as_u16(), took);
        let Health { failures, server_errors, out_until, .. } = &*self.condition;
        // Written only on change: all workers share this cache line.
        if failures.load(Relaxed) != 0 {
            failures.store(0, Relaxed);
        }
        if !status.is_server_error() {
            if server_errors.load(Relaxed) != 0 {
                server_errors.store(0, Relaxed);
            }
        } else if self.consecutive_5xx > 0 {
            let before = server_errors.fetch_update(Relaxed, Relaxed, |errors| errors.checked_add(1));
            if before.unwrap_or(u32::MAX) >= self.consecutive_5xx - 1 {
                out_until.store((now + OUT_OF_USE).0, Relaxed);
            }
        }
    }

    /// Records that it could not be reached, or closed the connection before it answered.
    pub(super) fn failed(&self, now: Millis) {
        if self.condition.failures.fetch_add(1, Relaxed) + 1 >= FAILURES {
            self.condition.out_until.store((now + OUT_OF_USE).0, Relaxed);
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A server that a request uses. Counts as one active request until dropped.
pub(super) struct ServerGuard(Arc<Server>);

impl ServerGuard {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0
    }

    pub(super) fn peer(&self) -> Box<HttpPeer> {
        Box::new(self.0.peer.clone())
    }
}

impl Drop for ServerGuard {
    fn drop(&mut self) {
        self.0.condition.active.fetch_sub(1, Relaxed);
    }
}

/// Why an origin has no server for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoServer {
    /// None of its names is resolved.
    Unresolved,
    /// Each has its maximum of connections.
    Busy,
}

impl NoServer {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Busy => "busy",
        }
    }
}

struct Pool {
    origin: Arc<Origin>,
    metrics: OriginMetrics,
    resolver: Arc<dyn Resolver>,
    /// In the order of the origin's servers.
    names: Mutex<Vec<Name>>,
    servers: ArcSwap<Vec<Arc<Server>>>,
    next: AtomicUsize,
}

/// The state of one server name in the configuration.
#[derive(Clone, Default)]
struct Name {
    /// The result of the last successful lookup; for an IP address, itself.
    addresses: Vec<SocketAddr>,
    /// A lookup has begun, under this configuration or the previous one.
    was_tried: bool,
    /// A lookup is running.
    is_pending: bool,
    /// The last lookup failed or is late, and this has been logged.
    is_failing: bool,
}

/// The address of a server that is configured by IP address.
fn literal(server: &config::Server) -> Option<SocketAddr> {
    Some(SocketAddr::new(server.host.parse().ok()?, server.port))
}

/// A running lookup, until dropped.
struct Pending {
    pool: Arc<Pool>,
    nth: usize,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(name) = self.pool.names.lock().get_mut(self.nth) {
            name.is_pending = false;
        }
    }
}

impl Pool {
    /// The servers of an origin. Keeps what its pool `before` has of its names and addresses.
    fn new(origin: &Arc<Origin>, before: Option<&Self>, metrics: OriginMetrics, resolver: &Arc<dyn Resolver>) -> Self {
        let known =
            before.map(|before| before.origin.servers.iter().zip(before.names.lock().clone()).collect::<Vec<_>>());
        let name = |server: &config::Server| {
            // IP addresses are available at once.
            if let Some(address) = literal(server) {
                return Name { addresses: vec![address], ..Name::default() };
            }
            let known = known.iter().flatten().find(|(other, _)| *other == server);
            known.map(|(_, name)| Name { is_pending: false, ..name.clone() }).unwrap_or_default()
        };
        let names: Vec<Name> = origin.servers.iter().map(name).collect();
        let before = before.map(|before| before.servers.load_full()).unwrap_or_default();
        let pool = Self {
            origin: origin.clone(),
            metrics,
            resolver: resolver.clone(),
            names: Mutex::default(),
            servers: ArcSwap::default(),
            next: AtomicUsize::new(0),
        };
        // Servers contain the origin's other settings, so they are built anew.
        pool.publish(&names, &before, false);
        *pool.names.lock() = names;
        pool
    }

    /// Publishes the addresses of all names. Those in `known` keep their health, and are reused if they `may_stay`.
    fn publish(&self, names: &[Name], known: &[Arc<Server>], may_stay: bool) {
        let mut servers: Vec<Arc<Server>> = Vec::new();
        for (name, written) in names.iter().zip(&self.origin.servers) {
            for address in &name.addresses {
                if servers.iter().any(|server| server.address == *address) {
                    continue;
                }
                let mut old = known.iter().filter(|old| old.address == *address);
                let same = old.clone().find(|old| may_stay && *old.host == *written.host);
                let new = || {
                    let condition = old.next().map(|old| old.condition.clone()).unwrap_or_default();
                    Arc::new(Server::new(*address, &written.host, &self.origin, condition, &self.metrics))
                };
                servers.push(same.cloned().unwrap_or_else(new));
            }
        }
        self.servers.store(Arc::new(servers));
    }

    /// The next healthy server in turn that is not busy. If all are ejected, they are tried all the same: a wrong guess
    /// about health must not make an origin unreachable.
    fn pick(&self, not: Option<SocketAddr>, now: Millis) -> Result<ServerGuard, NoServer> {
        let servers = self.servers.load();
        if servers.is_empty() {
            return Err(NoServer::Unresolved);
        }
        let first = self.next.fetch_add(1, Relaxed);
        let in_turn = || (0..servers.len()).filter_map(|step| servers.get((first + step) % servers.len()));
        let other = |server: &&Arc<Server>| Some(server.address) != not;
        let preferred = in_turn().filter(other).filter(|server| server.is_healthy(now));
        for server in preferred.chain(in_turn()) {
            let cap = self.origin.max_connections;
            if server.condition.active.fetch_add(1, Relaxed) < cap || cap == 0 {
                return Ok(ServerGuard(server.clone()));
            }
            server.condition.active.fetch_sub(1, Relaxed);
        }
        Err(NoServer::Busy)
    }

    /// Starts a lookup of each `wanted` name, in separate tasks: a name server that does not answer delays no other
    /// name. Each name has one lookup at a time, because the system's lookups cannot be cancelled.
    fn look_up(self: &Arc<Self>, wanted: impl Fn(&Name) -> bool) -> Vec<JoinHandle<()>> {
        let mut names = self.names.lock();
        let mut lookups = Vec::new();
        for (nth, (name, server)) in names.iter_mut().zip(&self.origin.servers).enumerate() {
            if name.is_pending || !wanted(name) || literal(server).is_some() {
                continue;
            }
            (name.is_pending, name.was_tried) = (true, true);
            let pending = Pending { pool: self.clone(), nth };
            lookups.push(tokio::spawn(async move { pending.pool.resolve(pending.nth).await }));
        }
        lookups
    }

    /// Looks up one name. Its addresses stay unchanged until it is resolved, however long that takes.
    async fn resolve(&self, nth: usize) {
        let Some(server) = self.origin.servers.get(nth) else { return };
        let mut lookup = pin!(self.resolver.resolve(&server.host, server.port));
        let found = if let Ok(found) = timeout(LOOKUP_TIMEOUT, &mut lookup).await {
            found
        } else {
            self.tell_failure(nth, &format_args!("no answer within {LOOKUP_TIMEOUT:?}"));
            // A late answer is still used.
            lookup.await
        };
        match found {
            Ok(addresses) if addresses.is_empty() => self.tell_failure(nth, &"no addresses found"),
            Ok(addresses) => self.resolved(nth, addresses),
            Err(error) => self.tell_failure(nth, &error),
        }
    }

    fn resolved(&self, nth: usize, addresses: Vec<SocketAddr>) {
        let mut names = self.names.lock();
        let Some(name) = names.get_mut(nth) else { return };
        let was_failing = std::mem::take(&mut name.is_failing);
        name.addresses = addresses;
        self.publish(&names, &self.servers.load(), true);
        drop(names);
        if let Some(server) = self.origin.servers.get(nth).filter(|_| was_failing) {
            tracing::info!(origin = %self.origin.name, host = %server.host, "name resolves again");
        }
    }

    /// Logs that a name does not resolve, once until it does.
    fn tell_failure(&self, nth: usize, error: &dyn fmt::Display) {
        let mut names = self.names.lock();
        let (Some(name), Some(server)) = (names.get_mut(nth), self.origin.servers.get(nth)) else { return };
        let (was_failing, kept) = (std::mem::replace(&mut name.is_failing, true), name.addresses.len());
        drop(names);
        if !was_failing {
            tracing::warn!(
                origin = %self.origin.name, host = %server.host, %error, kept,
                "name does not resolve; keeping the previous addresses and retrying"
            );
        }
    }
}

/// The servers of all origins.
pub struct Upstreams {
    pools: BTreeMap<Arc<str>, Arc<Pool>>,
    resolver: Arc<dyn Resolver>,
}

impl Upstreams {
    /// The origins of a configuration. Names are not resolved yet.
    pub fn new(settings: &Settings, metrics: &Metrics, resolver: Arc<dyn Resolver>) -> Self {
        Self::following(settings, &Self { pools: BTreeMap::new(), resolver }, metrics)
    }

    /// The origins of a configuration that replaces another. Unchanged origins are reused. In changed ones, the
    /// addresses that stay keep their health and their count of requests in flight. New names are not resolved yet.
    pub fn following(settings: &Settings, before: &Self, metrics: &Metrics) -> Self {
        let resolver = &before.resolver;
        let pool = |(name, origin): (&Arc<str>, &Arc<Origin>)| {
            let old = before.pools.get(name);
            let same = old.filter(|old| old.origin == *origin).cloned();
            let new = || Arc::new(Pool::new(origin, old.map(|old| &**old), metrics.origin(name), resolver));
            (name.clone(), same.unwrap_or_else(new))
        };
        Self { pools: settings.origins.iter().map(pool).collect(), resolver: resolver.clone() }
    }

    /// Looks up all new names at once, and waits for `patience` at most.
    pub async fn resolve_new(&self, patience: Duration) {
        let new = |name: &Name| !name.was_tried && name.addresses.is_empty();
        let lookups: Vec<_> = self.pools.values().flat_map(|pool| pool.look_up(new)).collect();
        let all = async {
            for lookup in lookups {
                let _ = lookup.await; // an aborted lookup is over, too
            }
        };
        // Later results are used when they arrive.
        let _ = timeout(patience, all).await;
    }

    /// A server for a request to `origin`, if possible other than `not`.
    pub(super) fn pick(&self, origin: &str, not: Option<&Server>, now: Millis) -> Result<ServerGuard, NoServer> {
        let pool = self.pools.get(origin).ok_or(NoServer::Unresolved)?;
        pool.pick(not.map(|server| server.address), now)
    }

    /// True if every origin has an address.
    pub fn resolved(&self) -> bool {
        self.pools.values().all(|pool| !pool.servers.load().is_empty())
    }

    /// Starts lookups of names that are due or have no address, without waiting. Call it about once a second with the
    /// seconds since the start, on a Tokio runtime.
    pub fn refresh(&self, second: u64) {
        for pool in self.pools.values() {
            let is_due = second.is_multiple_of(pool.origin.resolve_every.as_secs().max(1));
            drop(pool.look_up(|name| is_due || name.addresses.is_empty()));
        }
    }

    /// Sets the metrics of healthy and ejected addresses. Removes those of origins in `told` that no longer exist.
    pub fn report(&self, metrics: &Metrics, now: Millis, told: &Self) {
        for name in told.pools.keys().filter(|name| !self.pools.contains_key(*name)) {
            for state in ["healthy", "ejected"] {
                let _ = metrics.origin_servers.remove_label_values(&[name, state]); // fails if it does not exist
            }
        }
        for (name, pool) in &self.pools {
            let servers = pool.servers.load();
            let up = servers.iter().filter(|server| server.is_healthy(now)).count();
            let set = |state: &str, count: usize| {
                metrics.origin_servers.with_label_values(&[name, state]).set(i64::try_from(count).unwrap_or(i64::MAX));
            };
            set("healthy", up);
            set("ejected", servers.len() - up);
        }
    }
}

#[cfg(test)]
mod tests;
