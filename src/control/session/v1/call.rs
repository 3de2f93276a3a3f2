//! What all calls share: the application, the account, the time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;

use super::link;
use super::problem::Problem;
use crate::config::{Application, Settings};
use crate::control::Control;
use crate::control::session::account::{account, application, segment};
use crate::control::session::metadata::Metadata;
use crate::control::session::view::View;
use crate::model::{Account, Attributes, Device, Millis, Moment, StreamId};
use crate::streams::Stream;

/// Maximum names in one list of a query.
const MAX_NAMES: usize = 64;

pub(super) struct Call {
    pub(super) settings: Arc<Settings>,
    pub(super) application: Arc<Application>,
    pub(super) account: Account,
    /// Monotonic time.
    pub(super) now: Millis,
    /// Monotonic and wall-clock time.
    pub(super) moment: Moment,
    /// URL of the account.
    base: String,
    /// URL of the request.
    address: String,
    /// The stream at the end of the path; `None` if it is not an id.
    pub(super) stream: Option<StreamId>,
}

impl Call {
    /// Reads the path, which is `/{application}/{mvpd}/accounts/{account}/…`.
    ///
    /// # Errors
    /// The application is unknown or may not use the account's identity provider, or a name is malformed.
    pub(super) fn parse(control: &Control, head: &Parts) -> Result<Self, Problem> {
        let (settings, moment) = (control.settings(), control.admission.clock.moment());
        let path = head.uri.path();
        let [id, mvpd, subject, stream] = [1, 2, 4, 6].map(|nth| segment(path, nth));
        let id = crate::control::session::account::value(id).map_err(|_| Problem::no_application())?;
        let application = application(&settings, &id).ok_or_else(Problem::no_application)?.clone();
        let account = account(mvpd, subject)?;
        if !application.speaks_for(&account.idp) {
            return Err(Problem::foreign_idp());
        }
        // Some clients send unescaped braces, which would be a URI template.
        let host = link::base(&settings, head);
        let path = path.replace('{', "%7B").replace('}', "%7D");
        let account_path: Vec<&str> = path.split('/').take(5).collect();
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            base: format!("{host}/v1{}", account_path.join("/")),
            address: format!("{host}/v1{path}{query}"),
            stream: stream.parse().ok(),
            now: moment.now,
            moment,
            settings,
            application,
            account,
        })
    }

    /// The account as visible to the application.
    pub(super) fn view(&self) -> View<'_> {
        View::new(&self.settings, &self.account, self.moment)
    }

    /// True if an operator has blocked the account, the device that the application names, or the stream.
    pub(super) fn is_blocked(&self, control: &Control, known: &Attributes, stream: StreamId) -> bool {
        let blocks = control.blocks();
        if blocks.is_empty() {
            return false;
        }
        let device = known.get("deviceId").map_or(Device::Hint(0), |name| Device::Named(name.into()));
        blocks.blocked(&self.account.key(), &device, None, stream, self.moment.wall).is_some()
    }

    /// URL of the request.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// URL of a stream of the account.
    pub(super) fn address_of(&self, stream: StreamId) -> String {
        format!("{}/streams/{stream}", self.base)
    }

    /// True if this application declared the stream. It has no access to others.
    pub(super) fn owns(&self, stream: &Stream) -> bool {
        stream.application == self.application.id
            && (stream.is_declared() || self.view().has_issued(&self.application.id, stream.id))
    }
}

/// Query parameters, with the limits of metadata.
pub(super) struct Query(Metadata);

impl Query {
    /// # Errors
    /// Too large, or not UTF-8.
    pub(super) async fn read(head: &Parts) -> Result<Self, Problem> {
        Ok(Self(Metadata::read(head, Body::empty()).await?))
    }

    /// A list of distinct names; empty if absent.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn names(&mut self, parameter: &str) -> Result<BTreeSet<String>, Problem> {
        let list = self.0.remove(parameter).unwrap_or_default();
        let names: BTreeSet<String> =
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.len() > MAX_NAMES { Err(Problem::bad("a list has at most 64 names")) } else { Ok(names) }
    }
}
