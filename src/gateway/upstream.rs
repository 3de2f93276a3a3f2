//! The servers of an origin: resolved in the background, taken in turn, passed over while they fail.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

use crate::config::{Origin, Settings};
use crate::model::Millis;
use crate::telemetry::Metrics;

/// So many failures in a row take an address out of use.
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
    failures: AtomicU32,
    out_until: AtomicU64,
    active: AtomicUsize,
}

impl Server {
    fn new(address: SocketAddr, host: &str, origin: &Origin) -> Self {
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
        let (failures, out_until, active) = (AtomicU32::new(0), AtomicU64::new(0), AtomicUsize::new(0));
        Self { host: host.into(), address, peer, failures, out_until, active }
    }

    fn in_use(&self, now: Millis) -> bool {
        now.0 >= self.out_until.load(Relaxed)
    }

    /// It answered.
    pub(super) fn succeeded(&self) {
        // Only written when it says something new: all workers share this line of memory.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// It could not be reached, or broke off before it answered.
    pub(super) fn failed(&self, now: Millis) {
        if self.failures.fetch_add(1, Relaxed) + 1 >= FAILURES {
            self.out_until.store((now + OUT_OF_USE).0, Relaxed);
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
        self.0.active.fetch_sub(1, Relaxed);
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
    servers: ArcSwap<Vec<Arc<Server>>>,
    next: AtomicUsize,
}

impl Pool {
    fn new(origin: &Arc<Origin>) -> Self {
        // Addresses that need no resolving are there from the first moment.
        let literal = origin.servers.iter().filter_map(|server| {
            let host = server.host.trim_start_matches('[').trim_end_matches(']');
            let address = SocketAddr::new(host.parse().ok()?, server.port);
            Some(Arc::new(Server::new(address, &server.host, origin)))
        });
        let servers = ArcSwap::from_pointee(literal.collect());
        Self { origin: origin.clone(), servers, next: AtomicUsize::new(0) }
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
            if server.active.fetch_add(1, Relaxed) < cap || cap == 0 {
                return Ok(Use(server.clone()));
            }
            server.active.fetch_sub(1, Relaxed);
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
                            let new = || Arc::new(Server::new(address, &server.host, &self.origin));
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
    pools: BTreeMap<Arc<str>, Pool>,
}

impl Upstreams {
    /// The origins of a configuration. Names are not resolved yet.
    pub fn new(settings: &Settings) -> Self {
        Self { pools: settings.origins.iter().map(|(name, origin)| (name.clone(), Pool::new(origin))).collect() }
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

    /// Tells the metrics how many addresses are in use.
    pub fn report(&self, metrics: &Metrics, now: Millis) {
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
