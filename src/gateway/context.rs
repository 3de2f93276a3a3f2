//! What one request carries through the hooks.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::coding::Decoder;
use super::inspect::Inspection;
use super::manifest::BodyRewriter;
use super::runtime_config::Snapshot;
use super::upstream::{Server, ServerGuard, Upstreams};
use crate::admission::{self, Problem};
use crate::media::Kind;

/// One request: what is known of it, and what becomes of it at the origin.
pub struct Context {
    known: admission::Context,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) server: Option<ServerGuard>,
    /// When the server was asked; by now the last of several attempts.
    pub(super) asked: Instant,
    pub(super) tried: Option<Arc<Server>>,
    pub(super) body: BodyRewriter,
    /// The answer turned out to list channels: it is no start.
    pub(super) lists_channels: bool,
    /// Whether the answer's body has to be plain.
    pub(super) plain: bool,
    /// What makes it so.
    pub(super) decoder: Option<Decoder>,
    /// The answer passes as harmless as long as its first bytes do not say otherwise.
    pub(super) inspection: Option<Inspection>,
    /// What an earlier attempt's first bytes showed.
    pub(super) belied: Option<Kind>,
    /// A refusal that was decided only when the origin had answered.
    pub(super) late: Option<Box<Problem>>,
}

impl Context {
    pub(super) fn new(request: u64, snapshot: &Snapshot) -> Self {
        Self {
            known: admission::Context::new(request, snapshot.answers.clone()),
            upstreams: snapshot.upstreams.clone(),
            server: None,
            asked: Instant::now(),
            tried: None,
            body: BodyRewriter::Untouched,
            lists_channels: false,
            plain: false,
            decoder: None,
            inspection: None,
            belied: None,
            late: None,
        }
    }
}

impl Deref for Context {
    type Target = admission::Context;

    fn deref(&self) -> &admission::Context {
        &self.known
    }
}

impl DerefMut for Context {
    fn deref_mut(&mut self) -> &mut admission::Context {
        &mut self.known
    }
}
