//! The gate that requests over HTTP pass through: who calls, and is the session theirs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::Extensions;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::SessionId;

use super::delivery::ResponseBody;
use super::session::Sessions;
use crate::principal::Principal;

type Check = dyn Fn(String) -> Pin<Box<dyn Future<Output = Option<Principal>> + Send>> + Send + Sync;

/// The author's check of bearer tokens.
#[derive(Clone)]
pub(super) struct Authentication(Arc<Check>);

impl Authentication {
    pub(super) fn new<F, Fut>(check: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Principal>> + Send + 'static,
    {
        Self(Arc::new(move |token| Box::pin(check(token))))
    }
}

/// What requests pass through before rmcp sees them.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) authentication: Option<Authentication>,
    pub(super) sessions: Sessions,
}

/// Finds out who calls, and hides the sessions of others.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if let Some(Authentication(check)) = &gate.authentication {
        let Some(token) = bearer_token(request.headers()) else {
            return unauthorized("a bearer token is missing", "Bearer");
        };
        let Some(principal) = check(token).await else {
            return unauthorized("the bearer token is not valid", "Bearer error=\"invalid_token\"");
        };
        request.extensions_mut().insert(principal);
    }
    let principal = request.extensions().get::<Principal>().cloned().unwrap_or_default();
    if let Some(session) = request.headers().get("mcp-session-id").and_then(|session| session.to_str().ok()) {
        match gate.sessions.belongs_to(session, principal.as_str()).await {
            Ok(true) => {}
            Ok(false) => return (StatusCode::NOT_FOUND, "Not Found: Session not found").into_response(),
            Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        }
    }
    let is_end = request.method() == Method::DELETE;
    let body = ResponseBody::default();
    request.extensions_mut().insert(body.clone());
    let mut response = next.run(request).await;
    // Answers of calls are streams of events; what is no stream keeps its length.
    if response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        response = response.map(|stream| body.follow(stream));
    }
    if is_end && response.status() == StatusCode::ACCEPTED {
        // The session has ended; the official Python client takes "accepted" for a failure.
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.body_mut() = Body::empty();
    }
    response
}

/// The token of RFC 6750, section 2.1.
fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned()).filter(|token| !token.is_empty())
}

fn unauthorized(why: &'static str, challenge: &'static str) -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], why).into_response()
}

/// Who makes this request.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Principal {
    let parts = context.extensions.get::<Parts>();
    parts.and_then(|parts| parts.extensions.get::<Principal>()).cloned().unwrap_or_default()
}

/// The session that a message came in.
pub(super) fn session(extensions: &Extensions) -> Option<SessionId> {
    let session = extensions.get::<Parts>()?.headers.get("mcp-session-id")?;
    session.to_str().ok().map(Into::into)
}
