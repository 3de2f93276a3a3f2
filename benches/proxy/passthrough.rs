//! A bare proxy of the same framework: Streamgate's own cost is the difference to this.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::upstreams::peer::HttpPeer;

struct Bare(HttpPeer);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.clone()))
    }
}

/// Serves until it is ended.
pub(crate) fn run(listen: &str, origin: SocketAddr) -> ! {
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 2048,
        grace_period_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(HttpPeer::new(origin, false, String::new())));
    service.add_tcp(listen);
    server.add_service(service);
    server.run(RunArgs::default());
    std::process::exit(0)
}
