//! Resolves the names of origin servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

/// Time limit of a lookup. After it, a warning is logged, and the previous addresses stay in use.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves names.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, each with `port`.
    ///
    /// # Errors
    /// The name has no address, or no name server answers.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver, with its files and name servers.
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}
