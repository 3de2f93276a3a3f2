//! What every port of the program needs of the network: connections that are counted, and accepted whatever happens; and what
//! a shortage of file descriptors looks like.

mod accept;
mod limiter;
mod resources;

pub use accept::accept;
pub use limiter::{ConnectionLimiter, OpenConnection};
pub use resources::{SHORTAGE_REMEDY, is_shortage};
