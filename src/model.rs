//! Basic types. No logic beyond their own invariants, no clock, no I/O.

mod account;
mod attributes;
mod device;
mod evidence;
mod path;
mod percent;
mod stream;
mod time;

pub use account::{Account, AccountKey};
pub use attributes::Attributes;
pub use device::Device;
pub use evidence::ClientEvidence;
pub use path::{Ambiguities, Ambiguity, Reading, RequestPath};
pub use percent::{PercentDecoded, first_byte, percent_decoded};
pub use stream::{ApplicationId, ParseStreamIdError, StreamId};
pub use time::{Clock, Entropy, Millis, Moment};
