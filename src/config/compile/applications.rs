//! Applications: routes, identity, policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::application::{Anonymous, Application, DownloadRate, Sharing, StreamSource};
use crate::config::messages;
use crate::config::mint::MintError;
use crate::config::origin::Origin;
use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::routes::{self, Route, Routes};
use crate::identity::{CallbackSource, KeyFiles, KeyRing, KeySource, path};
use crate::model::{Ambiguities, Ambiguity, ApplicationId};
use crate::policy::Policy;

use super::context::Context;
use super::identity::{self, Compiled};
use super::network::is_authority;

/// All applications, and their external sources.
#[derive(Default)]
pub(super) struct Applications {
    pub(super) by_id: BTreeMap<ApplicationId, Arc<Application>>,
    pub(super) routes: Routes,
    pub(super) keys: Vec<KeySource>,
    pub(super) files: Vec<KeyFiles>,
    pub(super) callbacks: Vec<CallbackSource>,
}

pub(super) fn applications(
    context: &mut Context<'_>,
    raw: &BTreeMap<String, raw::Application>,
    origins: &BTreeMap<Arc<str>, Arc<Origin>>,
    policies: &BTreeMap<String, Arc<Policy>>,
    keys: Option<&Arc<KeyRing>>,
) -> Applications {
    let mut all = Applications::default();
    let mut taken = BTreeMap::new();
    for (id, application) in raw {
        let at = Pointer::default().key("applications").key(id);
        let built = Arc::new(self::application(context, &at, id, application, policies, keys, &mut all));
        for (nth, route) in application.routes.iter().enumerate() {
            let at = at.key("routes").item(nth);
            check_route(context, &at, route);
            let key = routes::key(route.host.as_deref(), &route.path);
            if let Some(holder) = taken.insert(key.clone(), id) {
                let message = format!("a route of `{holder}` has the same host and path: change or remove one");
                context.say(&at.key("path"), message);
            }
            let origin = route.origin.as_ref().map(|name| origins.get(name.as_str()));
            // An unknown origin has been reported.
            if origin != Some(None) {
                let origin = origin.flatten().map(Arc::clone);
                let ambiguous_paths = ambiguities(&route.ambiguous_paths);
                all.routes.add(key, Route { application: Arc::clone(&built), origin, ambiguous_paths });
            }
        }
        all.by_id.insert(built.id.clone(), built);
    }
    all
}

fn ambiguities(raw: &[raw::AmbiguousPath]) -> Ambiguities {
    let known = raw.iter().map(|spelling| match spelling {
        raw::AmbiguousPath::DotSegments => Ambiguity::DotSegments,
        raw::AmbiguousPath::EncodedSlashes => Ambiguity::EncodedSlashes,
        raw::AmbiguousPath::Backslashes => Ambiguity::Backslashes,
    });
    known.collect()
}

fn check_route(context: &mut Context<'_>, at: &Pointer, route: &raw::Route) {
    if let Some(origin) = &route.origin
        && context.origins.binary_search(origin).is_err()
        // If there are no origins at all, that is reported once.
        && !context.origins.is_empty()
    {
        let message = messages::unknown_name("origin", origin, &context.origins);
        context.say(&at.key("origin"), message);
    }
    let at_path = at.key("path");
    if route.path.contains(['?', '#', '%', '*', ' ']) || route.path.contains("//") || route.path.contains("/.") {
        let message = format!(
            "`{}` is not a plain path: write one without query, escapes, wildcards and dot segments",
            route.path
        );
        context.say(&at_path, message);
    } else if format!("{}/", route.path).starts_with(path::MARK) {
        context.say(&at_path, format!("`{}` is reserved for play sessions: write another path", path::MARK));
    }
    if let Some(host) = &route.host {
        let at_host = at.key("host");
        if !is_authority(host) {
            context.say(&at_host, format!("`{host}` is not a host name: write one such as `tv.example.com`"));
        } else if routes::has_port(host) {
            context.say(&at_host, format!("`{host}` has a port, which routes ignore: write only the host"));
        }
    }
}

/// True if the application's keys fit its `stream_source`.
fn stream_source_fits(
    context: &mut Context<'_>,
    at: &Pointer,
    raw: &raw::Application,
    stream_source: StreamSource,
    is_routed: bool,
) {
    let at_routes = at.key("routes");
    let missing = "write `routes:` with a list such as `[{ path: /, origin: NAME }]`, or `stream_source: api` if streams come only from the \
                   session API";
    match stream_source {
        StreamSource::Traffic if !is_routed && context.has(&at_routes) => {
            context.say(&at_routes, format!("there are no routes, so no request reaches this application: {missing}"));
        }
        StreamSource::Traffic if !is_routed => context.say_at_key(at, format!("`routes` is missing: {missing}")),
        StreamSource::Both if !is_routed => {
            context.warn_at_key(at, format!("without `routes` there is no traffic: {missing}"));
        }
        StreamSource::Api if is_routed => {
            let message = "with `stream_source: api` no stream comes from traffic: remove `routes`, or write `stream_source: both`";
            context.say(&at_routes, message);
        }
        StreamSource::Api if raw.identity.is_some() => {
            let message = "with `stream_source: api` this is unused, as no stream comes from traffic: remove it, or write \
                           `stream_source: both`";
            context.warn(&at.key("identity"), message);
        }
        _ => {}
    }
    if raw.idps.is_some() && stream_source == StreamSource::Traffic {
        let message = "this applies only to the session API, which this application cannot use: write `stream_source: both`, or `api`, or \
                       remove it";
        context.warn(&at.key("idps"), message);
    }
}

fn application(
    context: &mut Context<'_>,
    at: &Pointer,
    id: &str,
    raw: &raw::Application,
    policies: &BTreeMap<String, Arc<Policy>>,
    keys: Option<&Arc<KeyRing>>,
    all: &mut Applications,
) -> Application {
    for (nth, name) in raw.policies.iter().enumerate() {
        if context.policies.binary_search(name).is_err() {
            let message = messages::unknown_name("policy", name, &context.policies);
            context.say(&at.key("policies").item(nth), message);
        }
    }
    let anonymous = match raw.anonymous {
        raw::Anonymous::Refuse => Anonymous::Refuse,
        raw::Anonymous::Pass => Anonymous::Pass,
    };
    let stream_source = match raw.stream_source {
        raw::StreamSource::Traffic => StreamSource::Traffic,
        raw::StreamSource::Api => StreamSource::Api,
        raw::StreamSource::Both => StreamSource::Both,
    };
    let has_traffic = stream_source != StreamSource::Api;
    let is_routed = !raw.routes.is_empty() || context.lost_list(&at.key("routes"));
    stream_source_fits(context, at, raw, stream_source, is_routed);
    let application = ApplicationId(id.into());
    let at_identity = at.key("identity");
    if has_traffic && is_routed && raw.identity.is_none() && !context.has(&at_identity) {
        if anonymous == Anonymous::Refuse {
            context.say_at_key(
                at,
                "without `identity` every media request is refused: write `identity:`, or `anonymous: pass`",
            );
        } else if !raw.policies.is_empty() && stream_source == StreamSource::Traffic {
            context.say(
                &at.key("policies"),
                "without `identity` no stream has an account, so no policy applies: write `identity:`, or remove them",
            );
        }
    }
    // A declared stream is found by its id.
    let declared = keys.filter(|_| stream_source == StreamSource::Both).cloned();
    let compiled = raw.identity.as_ref();
    let compiled = compiled.map(|raw| identity::identity(context, &at_identity, &application, raw, declared));
    let mut built = Application {
        name: raw.name.as_deref().unwrap_or(id).into(),
        tenant: raw.tenant.as_str().into(),
        id: application,
        stream_source,
        idps: raw.idps.as_ref().map(|idps| idps.iter().map(|idp| idp.as_str().into()).collect()),
        identity: None,
        anonymous,
        sharing: match raw.sharing {
            raw::Sharing::Split => Sharing::Split,
            raw::Sharing::Refuse => Sharing::Refuse,
            raw::Sharing::Allow => Sharing::Allow,
        },
        download_rate: match raw.download_rate {
            raw::DownloadRate::Count => DownloadRate::Count,
            raw::DownloadRate::Refuse => DownloadRate::Refuse,
        },
        max_download_rate: raw.max_download_rate,
        of_manifest: Vec::new(),
        policies: raw.policies.iter().filter_map(|name| policies.get(name).map(Arc::clone)).collect(),
        signing: Err(MintError::NoIdentity),
    };
    if let Some(Compiled { identity, signing, sources, files, callbacks, of_manifest }) = compiled {
        (built.identity, built.signing, built.of_manifest) = (Some(identity), signing, of_manifest);
        all.keys.extend(sources);
        all.files.extend(files);
        all.callbacks.extend(callbacks);
    }
    built
}
