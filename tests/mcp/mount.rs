//! A server in a router of its author's, within the author's process.

use std::sync::atomic::{AtomicU32, Ordering};

use durable_runtime::prelude::*;
use durable_tests::{Client, Revision, answered};
use serde_json::json;

static DOUBLED: AtomicU32 = AtomicU32::new(0);

/// Doubles a number.
#[durable_tool]
async fn double(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    #[once(at_least, infallible, name = "double")]
    let doubled = async {
        DOUBLED.fetch_add(1, Ordering::SeqCst);
        number * 2
    }
    .await;
    Ok(doubled)
}

#[tokio::test]
async fn server_in_an_authors_router_answers_under_its_path_and_stops_with_it() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("store.redb");
    let open = async || Server::builder("mounted", "1").store(&path).tool(double).open().await;
    let server = open().await.expect("the server opens");
    let router = axum::Router::new()
        .route("/health", axum::routing::get(async || "well"))
        .nest_service("/tools/mcp", server.service());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async {
        // The sender is dropped only when the test has failed.
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());

    let health = reqwest::get(format!("http://{address}/health")).await.expect("an answer");
    assert_eq!(health.text().await.expect("a body"), "well");
    for revision in Revision::ALL {
        let client = Client::http(&format!("http://{address}/tools/mcp"), revision).await;
        assert_eq!(client.tools().await.len(), 1);
        let result = client.call_keyed("double", &json!({ "number": 21 }), "key").await;
        assert_eq!(durable_tests::text(&result.expect("the call is answered")), "42");
        client.close().await;
    }
    assert_eq!(DOUBLED.load(Ordering::SeqCst), 1);

    stop.send(()).expect("the router serves");
    answered("the router's end", serving).await.expect("no panic").expect("it ends well");
    server.shutdown().await;
    let again = open().await.expect("the store is free again");
    let answer = again.call("double", json!({ "number": 21 })).idempotency_key("key").await;
    assert!(answer.expect("an answer").is_replayed);
    again.shutdown().await;
}
