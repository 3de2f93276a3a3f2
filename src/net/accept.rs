//! Accepting connections, also while the process has no file descriptor left.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::resources::{SHORTAGE_REMEDY, is_shortage};

/// How long to wait where the system has no room for another connection. Connections that end meanwhile make some.
const RETRY: Duration = Duration::from_millis(200);

/// The next connection of a listener. A failure is never the end of it: one of a single connection is passed over, and where
/// the process or the system has no room the connection waits in the backlog.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // What is written is meant to be sent.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let remedy = if is_shortage(&error) { SHORTAGE_REMEDY } else { "trying again" };
                tracing::error!(%error, remedy, "a connection cannot be accepted");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
