//! Networking for all ports: reserved addresses, limited and accepted connections, an HTTP client, watched files,
//! and detection of a lack of file descriptors.

mod accept;
mod http_client;
mod limiter;
mod listen;
mod resources;
mod watched_file;

pub use accept::accept;
pub use http_client::{HttpClientError, body, error_chain, http_client, url_of};
pub use limiter::{ConnectionLimiter, OpenConnection};
pub use listen::{listen, reserve};
pub use resources::{SHORTAGE_REMEDY, is_shortage};
pub use watched_file::{Seen, WatchedFile};
