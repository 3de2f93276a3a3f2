//! Whose requests they are.

use std::fmt;
use std::sync::Arc;

use crate::identity::Identity;
use crate::model::{ApplicationId, Millis};
use crate::policy::Policy;

use super::mint::{MintError, Signing, TokenRequest};

/// Where the streams of an application come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSource {
    /// From what viewers ask for.
    Traffic,
    /// From the session API.
    Api,
    /// From both.
    Both,
}

impl StreamSource {
    /// Whether the application may declare streams.
    pub fn declares(self) -> bool {
        self != Self::Traffic
    }
}

/// What happens to media requests without a token or play session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// 401.
    Refuse,
    /// They pass and are not counted.
    Pass,
}

/// What happens to two clients that use one stream at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each is a stream of the account and takes its own slot.
    Split,
    /// The one that came later gets 403.
    Refuse,
    /// They go on as one stream.
    Allow,
}

/// What happens to a stream whose media is pulled much faster than real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadRate {
    /// It is counted.
    Count,
    /// It is counted, and its media gets 403.
    Refuse,
}

/// One app or site.
pub struct Application {
    /// As the configuration calls it.
    pub id: ApplicationId,
    /// For people.
    pub name: Arc<str>,
    /// Who owns it.
    pub tenant: Arc<str>,
    /// Where its streams come from.
    pub stream_source: StreamSource,
    /// The identity providers that it may speak for; `None`: any.
    pub idps: Option<Vec<Box<str>>>,
    /// How viewers are recognised; `None` for not at all.
    pub identity: Option<Identity>,
    /// What happens to requests of nobody.
    pub anonymous: Anonymous,
    /// What happens to two clients on one stream.
    pub sharing: Sharing,
    /// What happens to a stream that is pulled too fast.
    pub download_rate: DownloadRate,
    /// How many times real time is too fast; all renditions together.
    pub max_download_rate: u32,
    /// Attributes that only a manifest tells.
    pub of_manifest: Vec<Arc<str>>,
    /// All of them must hold; in configuration order.
    pub policies: Vec<Arc<Policy>>,
    /// What test tokens are made of, or why none can be made.
    pub signing: Result<Signing, MintError>,
}

impl Application {
    /// Whether it may speak for the accounts of that identity provider through the session API.
    pub fn speaks_for(&self, idp: &str) -> bool {
        self.idps.as_ref().is_none_or(|idps| idps.iter().any(|known| **known == *idp))
    }

    /// A token that this application accepts, for trials. Where the identity provider is a claim, the application's id stands in
    /// for it.
    ///
    /// # Errors
    /// The application has no secret to sign with, or takes the subject or device from elsewhere.
    pub fn mint(&self, request: &TokenRequest<'_>, now: Millis) -> Result<String, MintError> {
        self.signing.as_ref().map_err(Clone::clone)?.mint(&self.id, request, now)
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("tenant", &self.tenant)
            .field("stream_source", &(self.stream_source, &self.idps))
            .field("identity", &self.identity)
            .field("anonymous", &self.anonymous)
            .field("sharing", &self.sharing)
            .field("download_rate", &(self.download_rate, self.max_download_rate))
            .field("of_manifest", &self.of_manifest)
            .field("policies", &self.policies)
            .field("signing", &self.signing)
            .finish()
    }
}
