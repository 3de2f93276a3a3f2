//! `/authz`: where proxies that are not ours ask whether a request of a viewer may pass.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;

use crate::questions::{AUTHZ, Current, Questions};

/// The routes of `/authz`: with the viewer's request in fields, and with it in the path and the method.
pub(super) fn routes(questions: Arc<Questions>, current: Current) -> Router {
    let answer = any(move |request: Request| {
        let (questions, snapshot) = (questions.clone(), current());
        async move {
            let (parts, _) = request.into_parts();
            let answer: Response = questions.authorize(snapshot, parts).await.map(Body::from);
            answer
        }
    });
    Router::new()
        .route(AUTHZ, answer.clone())
        .route(&format!("{AUTHZ}/"), answer.clone())
        .route(&format!("{AUTHZ}/{{*path}}"), answer)
}
