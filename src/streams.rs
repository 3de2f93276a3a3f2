//! Stream state, and the only way to change it.
//!
//! [`Stream`] is one stream, with the clocks that its heartbeats move. [`account`] is the pure state machine over one
//! account's streams. [`StreamTable`] evaluates the policies, commits their decisions through an
//! [`AccountStore`](store::AccountStore), and notifies an [`Observer`].

pub mod account;
mod admission_request;
mod attribute_update;
mod cadence;
mod client;
mod download_rate;
pub mod durable_file;
mod events;
mod request_intervals;
mod settings;
mod sharing;
pub mod store;
mod stream;
mod table;
mod wheel;

pub use account::Kill;
pub use admission_request::{AdmissionRequest, Signal, State};
pub use attribute_update::{AttributeUpdate, IMMUTABLE_ATTRIBUTES};
pub use cadence::{Cadence, SUPERSEDE_GRACE};
pub use client::{Client, media_hash};
pub use download_rate::ALLOWANCE;
pub use events::{Cause, Event, NoopObserver, Observer, TakeoverReason, TakeoverResult, Terminator};
pub use settings::{Settings, TakeoverSettings};
pub use sharing::{STEADY, SharingVerdict};
pub use stream::Stream;
pub use table::{AdmissionOutcome, Ended, Exemptions, InForce, Refusal, Restored, StreamTable, Surplus};
