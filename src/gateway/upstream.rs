//! The servers of an origin: resolved in the background, taken in turn, passed over while they fail.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Origin, Settings};
use crate::model::Millis;
use crate::telemetry::{Metrics, OriginMetrics};

/// So many failures to answer in a row take an address out of use.
const FAILURES: u32 = 2;
/// For so long. After it one request tries again; its failure renews the time.
const OUT_OF_USE: Duration = Duration::from_secs(10);

/// One address of an origin.
pub(super) struct Server {
    /// The name that it was found under.
    host: Box<str>,
    address: SocketAddr,
    /// Ready to be cloned: building one resolves names, and blocks.
    peer: HttpPeer,
    condition: Arc<Condition>,
    /// So many answers of 5xx in a row take it out of use; 0: they never do.
    consecutive_5xx: u32,
    metrics: OriginMetrics,
}

/// How an address does and how busy it is, whatever the configuration says about the way to it.
#[derive(Default)]
struct Condition {
    failures: AtomicU32,
    /// Answers of 5xx in a row.
    server_errors: AtomicU32,
    out_until: AtomicU64,
    active: AtomicUsize,
}

impl Server {
    fn new(
        address: SocketAddr,
        host: &str,
        origin: &Origin,
        condition: Arc<Condition>,
        metrics: &OriginMetrics,
    ) -> Self {
        let sni = origin.host_header.as_deref().unwrap_or(host);
        // `host_header` may carry a port; an IPv6 literal is all colons.
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

    fn in_use(&self, now: Millis) -> bool {
        now.0 >= self.condition.out_until.load(Relaxed)
    }

    /// It answered with this status, so long after it was asked.
    pub(super) fn answered(&self, status: StatusCode, took: Duration, now: Millis) {
        self.metrics.answered(status.as_u16(), took);
        let Condition { failures, server_errors, out_until, .. } = &*self.condition;
        // Only written when it says something new: all workers share this line of memory.
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

    /// It could not be reached, or broke off before it answered.
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

/// A server that this request uses; it counts as busy as long as this lives.
pub(super) struct Use(Arc<Server>);

impl Use {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0
    }

    pub(super) fn peer(&self) -> Box<HttpPeer> {
        Box::new(self.0.peer.clone())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.condition.active.fetch_sub(1, Relaxed);
    }
}

/// Why an origin has no server for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoServer {
    /// None of its names has been resolved.
    Unresolved,
    /// Each has as many connections as it may.
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
    servers: ArcSwap<Vec<Arc<Server>>>,
    next: AtomicUsize,
}

impl Pool {
    /// The servers of an origin. Of those that were known `before`, by what was the same origin then, what is known stays.
    fn new(origin: &Arc<Origin>, before: &[Arc<Server>], metrics: OriginMetrics) -> Self {
        let condition = |address| {
            let known = before.iter().find(|server| server.address == address);
            known.map(|server| server.condition.clone()).unwrap_or_default()
        };
        let addresses = origin.servers.iter().flat_map(|server| {
            // Addresses that need no resolving are there from the first moment.
            let host = server.host.trim_start_matches('[').trim_end_matches(']');
            let literal = host.parse().ok().map(|host| SocketAddr::new(host, server.port));
            let named = before.iter().filter(|old| *old.host == *server.host && old.address.port() == server.port);
            let named = named.map(|old| old.address).filter(move |_| literal.is_none());
            literal.into_iter().chain(named).map(|address| (address, &*server.host))
        });
        let server = |(address, host)| Arc::new(Server::new(address, host, origin, condition(address), &metrics));
        let servers = ArcSwap::from_pointee(addresses.map(server).collect());
        Self { origin: origin.clone(), servers, next: AtomicUsize::new(0), metrics }
    }

    /// Whether a server's name has no address yet.
    fn is_unresolved(&self) -> bool {
        let known = self.servers.load();
        self.origin.servers.iter().any(|server| !known.iter().any(|known| *known.host == *server.host))
    }

    /// The next server in turn that is in use and not busy. If all are out of use they are tried all the same: a wrong
    /// guess about health must not make an origin unreachable.
    fn pick(&self, not: Option<SocketAddr>, now: Millis) -> Result<Use, NoServer> {
        let servers = self.servers.load();
        if servers.is_empty() {
            return Err(NoServer::Unresolved);
        }
        let first = self.next.fetch_add(1, Relaxed);
        let in_turn = || (0..servers.len()).filter_map(|step| servers.get((first + step) % servers.len()));
        let other = |server: &&Arc<Server>| Some(server.address) != not;
        let preferred = in_turn().filter(other).filter(|server| server.in_use(now));
        for server in preferred.chain(in_turn()) {
            let cap = self.origin.max_connections;
            if server.condition.active.fetch_add(1, Relaxed) < cap || cap == 0 {
                return Ok(Use(server.clone()));
            }
            server.condition.active.fetch_sub(1, Relaxed);
        }
        Err(NoServer::Busy)
    }

    /// Looks all names up again. Addresses that stay keep their health; those of a name that does not resolve stay.
    async fn resolve(&self) {
        let known = self.servers.load_full();
        let mut servers: Vec<Arc<Server>> = Vec::new();
        for server in &self.origin.servers {
            let host = server.host.trim_start_matches('[').trim_end_matches(']');
            match tokio::net::lookup_host((host, server.port)).await {
                Ok(addresses) => {
                    for address in addresses {
                        if !servers.iter().any(|s| s.address == address) {
                            let old = known.iter().find(|s| s.address == address).cloned();
                            let new = || {
                                let condition = Arc::default();
                                Arc::new(Server::new(address, &server.host, &self.origin, condition, &self.metrics))
                            };
                            servers.push(old.unwrap_or_else(new));
                        }
                    }
                }
                Err(error) => {
                    servers.extend(known.iter().filter(|old| *old.host == *server.host).cloned());
                    tracing::warn!(origin = %self.origin.name, host = %server.host, %error, "name does not resolve");
                }
            }
        }
        if !servers.is_empty() {
            self.servers.store(Arc::new(servers));
        }
    }
}

/// The servers of all origins.
pub struct Upstreams {
    pools: BTreeMap<Arc<str>, Arc<Pool>>,
}

impl Upstreams {
    /// The origins of a configuration. Names are not resolved yet.
    pub fn new(settings: &Settings, metrics: &Metrics) -> Self {
        Self::following(settings, &Self { pools: BTreeMap::new() }, metrics)
    }

    /// The origins of a configuration that takes another's place. What has not changed goes on; of what has, the addresses
    /// that stay keep their health and their count of requests under way. New names are not resolved yet.
    pub fn following(settings: &Settings, before: &Self, metrics: &Metrics) -> Self {
        let pool = |(name, origin): (&Arc<str>, &Arc<Origin>)| {
            let old = before.pools.get(name);
            let same = old.filter(|old| old.origin == *origin).cloned();
            let known = || old.map(|old| old.servers.load_full()).unwrap_or_default();
            (name.clone(), same.unwrap_or_else(|| Arc::new(Pool::new(origin, &known(), metrics.origin(name)))))
        };
        Self { pools: settings.origins.iter().map(pool).collect() }
    }

    /// Looks up the names that have no address yet, all at once, for as long as `patience` lasts.
    pub async fn resolve_new(&self, patience: Duration) {
        let mut lookups = JoinSet::new();
        for pool in self.pools.values().filter(|pool| pool.is_unresolved()) {
            let pool = pool.clone();
            lookups.spawn(async move { pool.resolve().await });
        }
        // What does not come in time comes with the next regular look.
        let _ = timeout(patience, lookups.join_all()).await;
    }

    /// A server for a request to `origin`, another than `not` where there is one.
    pub(super) fn pick(&self, origin: &str, not: Option<&Server>, now: Millis) -> Result<Use, NoServer> {
        let pool = self.pools.get(origin).ok_or(NoServer::Unresolved)?;
        pool.pick(not.map(|server| server.address), now)
    }

    /// Whether every origin has an address to try.
    pub fn resolved(&self) -> bool {
        self.pools.values().all(|pool| !pool.servers.load().is_empty())
    }

    /// Looks up the names of the origins whose time has come. Call it about once a second with the seconds since the start.
    pub async fn refresh(&self, second: u64) {
        for pool in self.pools.values() {
            let every = pool.origin.resolve_every.as_secs().max(1);
            if second.is_multiple_of(every) || pool.servers.load().is_empty() {
                pool.resolve().await;
            }
        }
    }

    /// Tells the metrics how many addresses are in use; those that were `told` and have gone are no longer shown.
    pub fn report(&self, metrics: &Metrics, now: Millis, told: &Self) {
        for name in told.pools.keys().filter(|name| !self.pools.contains_key(*name)) {
            for state in ["in_use", "out_of_use"] {
                let _ = metrics.origin_servers.remove_label_values(&[name, state]); // gone is gone
            }
        }
        for (name, pool) in &self.pools {
            let servers = pool.servers.load();
            let up = servers.iter().filter(|server| server.in_use(now)).count();
            let set = |state: &str, count: usize| {
                metrics.origin_servers.with_label_values(&[name, state]).set(i64::try_from(count).unwrap_or(i64::MAX));
            };
            set("in_use", up);
            set("out_of_use", servers.len() - up);
        }
    }
}
