//! The origin of `streamgate demo`, and its greeting.
//!
//! A small VOD in HLS (fragmented MP4 and MPEG-TS) and DASH, and a live HLS channel that loops it. All media is
//! embedded in the binary. The origin is independent of the gateway.

mod hello;
mod live;
mod media;
mod origin;
mod range;

pub use hello::greeting;
pub use live::{Channel, Rendition};
pub use origin::serve;
