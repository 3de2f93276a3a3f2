//! Applications: routes, identity, policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::application::{Application, Unidentified};
use crate::config::grammar::Written;
use crate::config::mint::{MintError, Signing};
use crate::config::origin::Origin;
use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::routes::{self, Route, Routes};
use crate::config::secret::Secret;
use crate::config::sentence;
use crate::identity::jwt::{Jwt, Key};
use crate::identity::{ACCOUNT_MAX, Identity, KeyError, Settings, ValueSource, path};
use crate::model::ApplicationId;
use crate::policy::Policy;

use super::context::Context;
use super::network::is_authority;

/// Leeway for clocks that differ: issuers' clocks are no better than that.
const LEEWAY: Duration = Duration::from_mins(1);

type Applications = BTreeMap<ApplicationId, Arc<Application>>;

pub(super) fn applications(
    context: &mut Context<'_>,
    raw: &BTreeMap<String, raw::Application>,
    origins: &BTreeMap<Arc<str>, Arc<Origin>>,
    policies: &BTreeMap<String, Arc<Policy>>,
) -> (Applications, Routes) {
    let mut compiled = Applications::new();
    let mut routes = Routes::default();
    let mut taken = BTreeMap::new();
    for (id, application) in raw {
        let at = Pointer::default().key("applications").key(id);
        let built = Arc::new(self::application(context, &at, id, application, policies));
        for (nth, route) in application.routes.iter().enumerate() {
            let at = at.key("routes").item(nth);
            check_route(context, &at, route);
            let key = routes::key(route.host.as_deref(), &route.path);
            if let Some(holder) = taken.insert(key.clone(), id) {
                let message = format!("a route of `{holder}` has the same host and path: change or remove one");
                context.say(&at.key("path"), message);
            }
            if let Some(origin) = origins.get(route.origin.as_str()) {
                routes.add(key, Route { application: Arc::clone(&built), origin: Arc::clone(origin) });
            }
        }
        compiled.insert(built.id.clone(), built);
    }
    (compiled, routes)
}

fn check_route(context: &mut Context<'_>, at: &Pointer, route: &raw::Route) {
    if context.origins.binary_search(&route.origin).is_err() {
        let message = sentence::unknown_name("origin", &route.origin, &context.origins);
        context.say(&at.key("origin"), message);
    }
    let at_path = at.key("path");
    if route.path.contains(['?', '#', '%', '*', ' ']) || route.path.contains("//") || route.path.contains("/.") {
        let message =
            format!("`{}` is no plain path: write one without query, escapes, wildcards and dots", route.path);
        context.say(&at_path, message);
    } else if format!("{}/", route.path).starts_with(path::MARK) {
        context.say(&at_path, format!("`{}` belongs to play sessions: write another path", path::MARK));
    }
    if let Some(host) = &route.host {
        let at_host = at.key("host");
        if !is_authority(host) {
            context.say(&at_host, format!("`{host}` is no host: write a name such as `tv.example.com`"));
        } else if routes::has_port(host) {
            context.say(&at_host, format!("`{host}` has a port, which routes do not look at: write the host alone"));
        }
    }
}

fn application(
    context: &mut Context<'_>,
    at: &Pointer,
    id: &str,
    raw: &raw::Application,
    policies: &BTreeMap<String, Arc<Policy>>,
) -> Application {
    for (nth, name) in raw.policies.iter().enumerate() {
        if context.policies.binary_search(name).is_err() {
            let message = sentence::unknown_name("policy", name, &context.policies);
            context.say(&at.key("policies").item(nth), message);
        }
    }
    let unidentified = match raw.unidentified {
        raw::Unidentified::Refuse => Unidentified::Refuse,
        raw::Unidentified::Pass => Unidentified::Pass,
    };
    let application = ApplicationId(id.into());
    let at_identity = at.key("identity");
    if raw.identity.is_none() && !context.has(&at_identity) {
        if unidentified == Unidentified::Refuse {
            context.say_at_key(
                at,
                "without `identity` every media request is refused: write `identity:`, or `unidentified: pass`",
            );
        } else if !raw.policies.is_empty() {
            context.say(
                &at.key("policies"),
                "without `identity` no stream has an account, so that no policy applies: write `identity:`, or remove them",
            );
        }
    }
    let (identity, signing) = match raw.identity.as_ref().map(|raw| identity(context, &at_identity, &application, raw))
    {
        Some((identity, signing)) => (Some(identity), signing),
        None => (None, Err(MintError::NoIdentity)),
    };
    Application {
        name: raw.name.as_deref().unwrap_or(id).into(),
        id: application,
        identity,
        unidentified,
        policies: raw.policies.iter().filter_map(|name| policies.get(name).map(Arc::clone)).collect(),
        signing,
    }
}

fn identity(
    context: &mut Context<'_>,
    at: &Pointer,
    application: &ApplicationId,
    raw: &raw::Identity,
) -> (Identity, Result<Signing, MintError>) {
    for (key, source) in [("idp", &raw.idp), ("subject", &raw.subject)] {
        if source.text().len() > ACCOUNT_MAX {
            context.say(&at.key(key), format!("the value is longer than {ACCOUNT_MAX} bytes: shorten it"));
        }
    }
    if let Some(Written { value: ValueSource::Literal(_), .. }) = &raw.device {
        context.say(
            &at.key("device"),
            "a literal makes one device of all that an account has: write `claim:NAME`, or leave the key out",
        );
    }
    let mut keys = Vec::new();
    let mut signing = Err(MintError::NoSecret);
    for (nth, key) in raw.token.jwt.keys.iter().enumerate() {
        let at = at.key("token").key("jwt").key("keys").item(nth);
        let Some((compiled, secret)) = self::key(context, &at, key) else { continue };
        keys.push(compiled);
        if let (Some(secret), Err(_)) = (secret, &signing) {
            signing = Ok(Signing {
                algorithm: key.alg.value,
                secret,
                idp: raw.idp.value.clone(),
                subject: raw.subject.value.clone(),
                device: raw.device.as_ref().map(|device| device.value.clone()),
                stream: raw.stream.value.clone(),
            });
        }
    }
    let settings = Settings {
        sources: raw.token.places.iter().map(|place| place.value.clone()).collect(),
        format: Arc::new(Jwt::new(keys, LEEWAY)),
        idp: raw.idp.value.clone(),
        subject: raw.subject.value.clone(),
        device: raw.device.as_ref().map(|device| device.value.clone()),
        stream: raw.stream.value.clone(),
    };
    (Identity::new(application.clone(), settings), signing)
}

/// A key and, where it can sign as well, its secret.
fn key(context: &mut Context<'_>, at: &Pointer, raw: &raw::Key) -> Option<(Key, Option<Secret>)> {
    let algorithm = raw.alg.value;
    let symmetric = algorithm.name().starts_with("HS");
    let (right, wrong) = if symmetric { ("secret", "public_key") } else { ("public_key", "secret") };
    let (material, other) = if symmetric { (&raw.secret, &raw.public_key) } else { (&raw.public_key, &raw.secret) };
    if other.is_some() {
        let error = if symmetric { KeyError::NeedsSecret(algorithm) } else { KeyError::NeedsPublicKey(algorithm) };
        context.say_at_key(&at.key(wrong), format!("{error}, as `{right}`"));
    }
    let Some(material) = material else {
        if other.is_none() && !context.has(&at.key(right)) {
            context.say_at_key(
                at,
                format!("`{right}` is missing, which {algorithm} needs: write `{right}: {{ file: PATH }}`"),
            );
        }
        return None;
    };
    let at = at.key(right);
    let bytes = context.read(material, &at)?;
    let kid = raw.kid.as_deref();
    let key = if symmetric {
        Key::hmac(algorithm, kid, bytes.expose())
    } else if bytes.expose().trim_ascii_start().starts_with(b"{") {
        Key::public_jwk(algorithm, kid, bytes.expose())
    } else {
        Key::public_pem(algorithm, kid, bytes.expose())
    };
    match key {
        Ok(key) => Some((key, symmetric.then_some(bytes))),
        Err(error) => {
            context.say(&at, error.to_string());
            None
        }
    }
}
