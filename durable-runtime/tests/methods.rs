//! Tools that are methods: one value for all calls, also in replays.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use serde_json::json;

use self::support::{effect, effects, server};

struct Shop {
    price: u32,
    runs: AtomicU32,
    panics_left: AtomicU32,
}

#[durable_tools]
impl Shop {
    /// Buys, and panics on the way.
    #[durable_tool]
    async fn buy(&self, cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        #[once(at_most)]
        let price = self.charge(cx, &run).await?;
        // The outcome is durable before the panic.
        cx.sleep(Duration::from_secs(1)).await;
        let left = self.panics_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "not yet");
        Ok(price)
    }

    async fn charge(&self, cx: &StepContext, run: &str) -> Result<u32, ToolError> {
        effect(run, cx);
        Ok(self.price)
    }

    /// Tells the price.
    #[durable_tool(read_only, name = "price")]
    async fn tell_price(&self, _cx: &ReadContext) -> Result<u32, ToolError> {
        Ok(self.price)
    }

    /// Needs no shop.
    #[durable_tool]
    async fn echo(_cx: &DurableContext, text: String) -> Result<String, ToolError> {
        Ok(text)
    }
}

#[tokio::test]
async fn all_calls_and_their_replays_share_the_value() {
    let shop = Arc::new(Shop { price: 7, runs: AtomicU32::new(0), panics_left: AtomicU32::new(2) });
    let server = server().tools(Arc::clone(&shop)).open().await.expect("a server");
    let bought = server.call("buy", json!({ "run": "methods" })).await.expect("an answer");
    assert_eq!(bought.result, Ok(json!(7)));
    assert_eq!(shop.runs.load(Ordering::SeqCst), 3);
    assert_eq!(effects("methods"), ["charge 1"]);
    assert_eq!(server.call("price", json!({})).await.expect("an answer").result, Ok(json!(7)));
    assert_eq!(server.call("echo", json!({ "text": "hi" })).await.expect("an answer").result, Ok(json!("hi")));
}
