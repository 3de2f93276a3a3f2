//! Applications.

use std::fmt;
use std::sync::Arc;

use crate::identity::Identity;
use crate::model::{ApplicationId, Millis};
use crate::policy::Policy;

use super::mint::{MintError, Signing, TokenRequest};

/// Where the streams of an application come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSource {
    /// From viewers' requests.
    Traffic,
    /// From the session API.
    Api,
    /// From both.
    Both,
}

impl StreamSource {
    /// True if the application may declare streams.
    pub fn declares(self) -> bool {
        self != Self::Traffic
    }
}

/// What happens to media requests without a token or play session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// 401.
    Refuse,
    /// Requests pass and are not counted.
    Pass,
}

/// What happens to two clients that use one stream at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each is a stream of the account and takes its own slot.
    Split,
    /// The later client gets 403.
    Refuse,
    /// Both continue as one stream.
    Allow,
}

/// What happens to a stream whose media is pulled much faster than real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadRate {
    /// It is counted.
    Count,
    /// It is counted and its media gets 403.
    Refuse,
}

/// One app or site.
pub struct Application {
    /// Key in the configuration.
    pub id: ApplicationId,
    /// Display name.
    pub name: Arc<str>,
    /// Owner.
    pub tenant: Arc<str>,
    /// Source of its streams.
    pub stream_source: StreamSource,
    /// Identity providers whose accounts it may use in the session API; `None`: any.
    pub idps: Option<Vec<Box<str>>>,
    /// How viewers are identified; `None`: not at all.
    pub identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    pub anonymous: Anonymous,
    /// What happens when two clients use one stream at the same time.
    pub sharing: Sharing,
    /// What happens to a stream above `max_download_rate`.
    pub download_rate: DownloadRate,
    /// Multiple of real time, over all renditions.
    pub max_download_rate: u32,
    /// Attributes that only a manifest supplies.
    pub of_manifest: Vec<Arc<str>>,
    /// Policies of the application, in configuration order.
    pub policies: Vec<Arc<Policy>>,
    /// Key and claims for test tokens, or why none can be made.
    pub signing: Result<Signing, MintError>,
}

impl Application {
    /// True if it may use accounts of that identity provider in the session API.
    pub fn speaks_for(&self, idp: &str) -> bool {
        self.idps.as_ref().is_none_or(|idps| idps.iter().any(|known| **known == *idp))
    }

    /// Creates a test token that this application accepts. If the identity provider is a claim, its value is the
    /// application's id.
    ///
    /// # Errors
    /// The application has no signing secret, or its subject or device is not one claim.
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
