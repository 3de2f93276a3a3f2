//! What every port of the program needs of the network: addresses that are reserved, connections
//! that are counted and accepted whatever happens; and what a shortage of file descriptors looks like.

mod accept;
mod limiter;
mod listen;
mod resources;

pub use accept::accept;
pub use limiter::{ConnectionLimiter, OpenConnection};
pub use listen::{listen, reserve};
pub use resources::{SHORTAGE_REMEDY, is_shortage};
