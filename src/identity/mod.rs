//! Who asks: where the token is, what it says, and the play session that carries the answer on.
//!
//! [`Identity`] belongs to one application. It finds the token of a request, has its [`Format`] verify it, maps the
//! claims to a [`Viewer`] and remembers the result. [`KeyRing`] seals a [`PlaySession`] into one URL-safe string and opens
//! it again; [`path`] takes that string off a request's path. Time comes in as an argument everywhere.

mod algorithm;
mod bounds;
mod cache;
mod claims;
mod error;
mod format;
pub mod jwt;
mod keyring;
mod mapping;
pub mod path;
mod session;
mod source;
mod viewer;

pub use bounds::{ACCOUNT_MAX, APPLICATION_MAX, ASSET_MAX, DEVICE_MAX};
pub use claims::Claims;
pub use error::{KeyError, OpenError, TokenError};
pub use format::{Format, TOKEN_MAX};
pub use keyring::{KeyRing, SEALED_MAX};
pub use mapping::{StreamSource, ValueSource, ValueSourceError};
pub use session::PlaySession;
pub use source::{RequestFacts, Source, SourceError, find, is_token_header, strip_cookie, strip_query};
pub use viewer::{Identity, Settings, Viewer};
