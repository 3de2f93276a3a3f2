//! What every port of the program needs of the network: connections that are counted, and accepted whatever happens.

mod accept;
mod limiter;

pub use accept::accept;
pub use limiter::{ConnectionLimiter, OpenConnection};
