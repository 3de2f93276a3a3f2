//! The origin of `streamgate demo` and what the demo says when it is up.
//!
//! A small VOD in HLS (fragmented MP4 and MPEG-TS) and DASH, and a live HLS channel that loops it. All media is inside the
//! binary. The origin knows nothing of the gateway: it answers whoever asks.

mod hello;
mod live;
mod media;
mod origin;
mod range;

pub use hello::greeting;
pub use live::{Channel, Rendition};
pub use origin::serve;
