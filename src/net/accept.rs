//! Accepts connections, even while the process has no free file descriptor.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::resources::{SHORTAGE_REMEDY, is_shortage};

/// Delay before a retry when the system has no room for another connection.
const RETRY: Duration = Duration::from_millis(200);

/// The next connection of a listener. Never fails: skips failed connections. If the process or the system has no room,
/// the connection waits in the backlog.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Send without delay.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let remedy = if is_shortage(&error) { SHORTAGE_REMEDY } else { "retrying" };
                tracing::error!(%error, remedy, "cannot accept a connection");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
