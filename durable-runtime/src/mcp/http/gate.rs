//! The gate that requests over HTTP pass through: who calls, and is the session theirs.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use tower_service::Service;

use super::super::delivery::ResponseBody;
use super::super::handler::Handler;
use super::super::server::Server;
use super::super::session::Sessions;
use super::body;
use super::options::Authentication;
use crate::principal::Principal;

/// What requests pass through before rmcp sees them. A router makes clones for each request, so that they are one.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    server: Server,
    service: StreamableHttpService<Handler, Sessions>,
}

impl Gate {
    pub(super) fn new(server: &Server, service: StreamableHttpService<Handler, Sessions>) -> Self {
        Self(Arc::new(Inner { server: server.clone(), service }))
    }
}

impl Service<Request> for Gate {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _task: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.pass(request).await) })
    }
}

impl Inner {
    /// Finds out who calls, and hides the sessions of others.
    async fn pass(&self, mut request: Request) -> Response {
        let parts = &self.server.parts;
        if let Some(Authentication(check)) = &parts.http.authentication {
            let Some(token) = bearer_token(request.headers()) else {
                return unauthorized("a bearer token is missing", "Bearer");
            };
            let Some(principal) = check(token).await else {
                return unauthorized("the bearer token is not valid", "Bearer error=\"invalid_token\"");
            };
            request.extensions_mut().insert(principal);
        }
        if let Some(session) = request.headers().get("mcp-session-id").and_then(|session| session.to_str().ok()) {
            let principal = request.extensions().get::<Principal>().map_or("", Principal::as_str);
            match parts.sessions.belongs_to(session, principal).await {
                Ok(true) => {}
                Ok(false) => return (StatusCode::NOT_FOUND, "Not Found: Session not found").into_response(),
                Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
            }
        }
        let is_end = request.method() == Method::DELETE;
        let body = parts.contract.follows_answers.then(ResponseBody::default);
        if let Some(body) = &body {
            request.extensions_mut().insert(body.clone());
        }
        let response = self.service.handle(request).await;
        if is_end && response.status() == StatusCode::ACCEPTED {
            // The session has ended; the official Python client takes "accepted" for a failure.
            return StatusCode::NO_CONTENT.into_response();
        }
        match body {
            // What nobody follows keeps its length.
            Some(body) if body.is_followed() || is_stream(&response) => {
                response.map(|parts| body::followed(Body::new(parts), body))
            }
            _ => response.map(Body::new),
        }
    }
}

/// Whether more may come than there is: a call can be answered with events before its answer.
fn is_stream<B>(response: &axum::http::Response<B>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
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
