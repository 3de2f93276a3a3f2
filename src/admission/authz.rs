//! Decisions for proxies that are not ours: the same questions about a request that somebody else answers.
//!
//! The call is the heartbeat. Proxies understand three answers: 200, 401 and 403.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Response, Uri};

use super::context::{Context, Ingress};
use super::problem::Problem;
use super::request_view::{RequestView, host, strip_path_token};
use super::runtime_config::RuntimeConfig;
use super::{Admission, annotate, forwarded};
use crate::identity::Renewed;
use crate::telemetry::Access;

impl Admission {
    /// Answers a proxy that asks with the head of this request about one of its viewers' requests.
    pub(crate) async fn authorize(&self, snapshot: Arc<RuntimeConfig>, mut parts: Parts) -> Response<Bytes> {
        let mut ctx = Context::new(self.next_request(), snapshot);
        ctx.ingress = Ingress::ForwardAuth;
        ctx.begin(self.clock.moment());
        let verdict = match forwarded::original(&mut parts, ctx.settings.trusted_proxies.as_ref()) {
            Ok(from) => {
                ctx.client = from;
                let bare = strip_path_token(&ctx.settings, &parts);
                ctx.stripped_path.clone_from(&bare);
                self.decide(&RequestView::new(&parts, bare.as_deref(), from), &mut ctx).await
            }
            Err(problem) => {
                // What follows may hold a token, and is not for the log.
                parts.uri = Uri::from_static(forwarded::PATH);
                Err(problem)
            }
        };
        let response = match verdict {
            Ok(()) => {
                ctx.outcome = Self::pass_outcome(&ctx);
                passed(&mut ctx)
            }
            Err(problem) => {
                Self::set_outcome(&mut ctx, &problem);
                if problem.is_preflight() {
                    passed(&mut ctx)
                } else {
                    let problem = problem.for_proxy();
                    let response = refused(&problem, &parts, &ctx);
                    self.remember(&problem, response.body(), &ctx);
                    response
                }
            }
        };
        // The end of the call is the last sign of life, and is told before anybody can ask again.
        ctx.in_flight = None;
        let took = ctx.begun.elapsed();
        self.metrics.answered(ctx.outcome, took);
        self.metrics.request(ctx.outcome, ctx.kind);
        self.metrics.authz(ctx.outcome);
        if ctx.settings.log.access {
            log_access(&response, &parts, &ctx, took);
        }
        response
    }
}

fn passed(ctx: &mut Context) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(annotate::passed(ctx));
    if let Some(Renewed { name, value }) = ctx.renewed.take() {
        headers.append(name, value);
    }
    response
}

fn refused(problem: &Problem, parts: &Parts, ctx: &Context) -> Response<Bytes> {
    let (fields, body) = problem.render_for_proxy(ctx.request, &parts.headers);
    let mut response = Response::new(body);
    *response.status_mut() = problem.status();
    response.headers_mut().extend(fields);
    response
}

fn log_access(response: &Response<Bytes>, parts: &Parts, ctx: &Context, took: Duration) {
    let account = ctx.play.as_ref().map(|play| play.account_label(&ctx.settings.keys));
    Access {
        request: ctx.request,
        client: ctx.client.client,
        method: parts.method.as_str(),
        host: host(parts).unwrap_or_default(),
        path: &ctx.logged_path(&parts.uri),
        status: response.status().as_u16(),
        bytes: response.body().len(),
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        kind: ctx.kind,
        outcome: ctx.outcome,
        reason: ctx.reason,
        application: ctx.application.as_ref().map_or("", |application| application.id.as_str()),
        account: account.unwrap_or_default(),
        stream: ctx.play.as_ref().map(|play| play.session.stream),
        server: None,
        door: Some("authz"),
    }
    .log();
}
