//! What operators set while the gateway runs: blocks and exemptions, each for a limited time.

mod store;

pub use store::{Kept, Kind, Order, Orders, OrdersError, Target};
