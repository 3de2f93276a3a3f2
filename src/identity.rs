//! Identifies viewers by tokens and play sessions.
//!
//! An [`Identity`] belongs to one application. It finds the token of a request, verifies it with its [`Format`], maps
//! the claims to a [`Viewer`] and caches the result. [`KeyRing`] seals a [`PlaySession`] into a URL-safe string and
//! opens it again; [`path`] removes that string from a request's path. Time is always an argument.

mod algorithm;
mod attribute_source;
mod blocks;
mod blocks_file;
mod cache;
mod callback;
mod callback_cache;
mod callback_request;
pub mod cat;
mod claim_members;
mod claims;
pub mod client;
pub mod cloud_front;
pub mod cmcd;
mod condition;
pub mod edge_auth;
mod edge_auth_fields;
mod error;
mod format;
mod issuer;
mod jose;
mod jwks;
mod jws;
pub mod jwt;
mod key;
mod key_source;
mod keyring;
mod keys;
mod limits;
mod mapping;
mod matching;
pub mod media_cdn;
pub mod path;
mod path_match;
mod percent;
mod renewal;
mod request;
mod rotating;
mod scope;
mod session;
#[cfg(test)]
#[path = "../tests/support/signers.rs"]
mod signers;
mod token_id;
mod token_location;
pub mod uri_signing;
mod url;
mod value;
mod viewer;

pub use blocks::{Block, Blocked, Blocks};
pub use blocks_file::{BlocksError, MAX_BLOCKS, parse as parse_blocks};
pub use callback::{Ask, Away, Callback, CallbackSource};
pub use callback_cache::{CallbackCache, FailureMode};
pub use callback_request::{CallbackRequest, QuestionKey};
pub use claims::Claims;
pub use client::{Forwarding, TrustedHops};
pub use condition::{Condition, Part};
pub use error::{KeyError, OpenError, TokenError};
pub use format::{Format, MAX_TOKEN};
pub use issuer::{Issuer, Issuers};
pub use jwks::{JwksError, KeySet, MAX_SET, parse as parse_key_set};
pub use key_source::{KeyFiles, KeyPlace, KeySource};
pub use keyring::{KeyRing, MAX_SEALED};
pub use keys::Keys;
pub use limits::{
    MAX_ACCOUNT, MAX_APPLICATION, MAX_ASSET, MAX_ATTRIBUTE, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_DEVICE,
};
pub use mapping::{Mapping, StreamSource};
pub use matching::Match;
pub use percent::percent_decoded;
pub use renewal::Renewed;
pub use request::{InPath, RequestFacts};
pub use rotating::Rotating;
pub use scope::Scope;
pub use session::PlaySession;
pub use token_id::TokenId;
pub use token_location::{Source, SourceError};
pub use value::{Choice, Pattern, PatternError, Take, Value, ValueSource, ValueSourceError};
pub use viewer::{Identified, Identity, Settings, StrippedPath, Token, Viewer, user_agent};
