//! What is the same for every call: the application, the account, the time.

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

/// Names in one list of a query.
const MAX_NAMES: usize = 64;

/// One call.
pub(super) struct Call {
    pub(super) settings: Arc<Settings>,
    pub(super) application: Arc<Application>,
    pub(super) account: Account,
    /// By one-way time.
    pub(super) now: Millis,
    /// By both times.
    pub(super) moment: Moment,
    /// Scheme, host and path up to the account's.
    base: String,
    /// The address of what is asked for.
    address: String,
    /// The stream that the path ends with; of no stream where that is no id.
    pub(super) stream: Option<StreamId>,
}

impl Call {
    /// Reads the path, which is `/{application}/{mvpd}/accounts/{account}/…`.
    ///
    /// # Errors
    /// The application is unknown or does not speak for the account's provider, or a name is malformed.
    pub(super) fn parse(control: &Control, head: &Parts) -> Result<Self, Problem> {
        let (settings, moment) = (control.settings(), control.clock.moment());
        let path = head.uri.path();
        let [id, mvpd, subject, stream] = [1, 2, 4, 6].map(|nth| segment(path, nth));
        let id = crate::control::session::account::value(id).map_err(|_| Problem::no_application())?;
        let application = application(&settings, &id).ok_or_else(Problem::no_application)?.clone();
        let account = account(mvpd, subject)?;
        if !application.speaks_for(&account.idp) {
            return Err(Problem::foreign_idp());
        }
        // Some clients send braces as they are; in a template they would mean something.
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

    /// The account as the application may see it.
    pub(super) fn view(&self) -> View<'_> {
        View::new(&self.settings, &self.account, self.moment)
    }

    /// Whether an operator has blocked the account, the device that the application names, or the stream.
    pub(super) fn is_blocked(&self, control: &Control, known: &Attributes, stream: StreamId) -> bool {
        let blocks = control.blocks();
        if blocks.is_empty() {
            return false;
        }
        let device = known.get("deviceId").map_or(Device::Hint(0), |name| Device::Named(name.into()));
        blocks.blocked(&self.account.key(), &device, None, stream, self.moment.wall).is_some()
    }

    /// Where what is asked for is.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Where a stream of the account is.
    pub(super) fn address_of(&self, stream: StreamId) -> String {
        format!("{}/streams/{stream}", self.base)
    }

    /// Whether the stream is one that this application has declared. Others are none of its business.
    pub(super) fn owns(&self, stream: &Stream) -> bool {
        stream.application == self.application.id
            && (stream.is_declared() || self.view().has_issued(&self.application.id, stream.id))
    }
}

/// Parameters of a query, with the bounds of metadata.
pub(super) struct Query(Metadata);

impl Query {
    /// # Errors
    /// Too much of it, or no UTF-8.
    pub(super) async fn read(head: &Parts) -> Result<Self, Problem> {
        Ok(Self(Metadata::read(head, Body::empty()).await?))
    }

    /// A list of names, each once; empty where there is none.
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
