//! Overrides set by operators at run time: blocks and exemptions, each for a limited time.

mod store;

pub use store::{Kept, Kind, Order, Orders, OrdersError, Target};
