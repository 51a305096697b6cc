//! The tools whose calls are in the golden stores. They are never changed in a way that a deploy may not be.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::{Content, Limits, ServerBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{HeldClock, effect};

pub(crate) const STOCK: SortedMap<u32> = SortedMap::new("stock");
/// What the test has to know of a store.
pub(crate) const FACTS: SortedMap<String> = SortedMap::new("facts");

/// Set while a store is made: then the step `ship` fails at first, and does not end in calls that are to stall.
pub(crate) static HANGS: AtomicBool = AtomicBool::new(false);

async fn work(cx: &StepContext, order: &str) -> Result<u32, ToolError> {
    effect(order, cx);
    Ok(7)
}

async fn take(cx: &StepContext, order: &str) -> Result<u32, ToolError> {
    effect(order, cx);
    STOCK.insert(cx, [(order.to_owned(), 3)]).await?;
    Ok(3)
}

async fn ship_it(cx: &StepContext, order: &str, stalls: bool) -> Result<u32, ToolError> {
    effect(order, cx);
    if stalls && HANGS.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let fails = HANGS.load(Ordering::SeqCst) && cx.attempt() == 1;
    if fails { Err(ToolError::new("no carrier")) } else { Ok(1) }
}

/// Sells an order.
#[durable_tool]
#[audit("orders", redact(card))]
pub(crate) async fn sell(
    cx: &DurableContext,
    order: String,
    card: String,
    #[arg(default = false)] stalls: bool,
) -> Result<u32, ToolError> {
    #[once(at_least, name = "take")]
    let taken = take(cx, &order).await?;
    #[once(at_most, name = "charge")]
    let charged = work(cx, &format!("{order}{}", card.get(..0).unwrap_or_default())).await?;
    STOCK.insert(cx, [(format!("{order} sold"), charged)]).await?;
    cx.audit("orders", &serde_json::json!({ "action": "charged", "order": order })).await?;
    #[once(at_least, name = "ship", retry(attempts = 3, initial = "1ms", max = "1ms"))]
    let shipped = ship_it(cx, &order, stalls).await?;
    Ok(taken + charged + shipped)
}

/// Sleeps for an hour.
#[durable_tool]
pub(crate) async fn sleep(cx: &DurableContext, order: String) -> Result<u64, ToolError> {
    let before = cx.now();
    cx.sleep(Duration::from_secs(3600)).await;
    #[once(at_most, name = "wake")]
    work(cx, &order).await?;
    Ok(cx.now().as_millis() - before.as_millis())
}

/// Has an outcome that is too large.
#[durable_tool]
pub(crate) async fn print(cx: &DurableContext, order: String) -> Result<usize, ToolError> {
    #[once(at_most, name = "print")]
    let page = async {
        effect(&order, cx);
        Ok::<_, ToolError>("p".repeat(1000))
    }
    .await?;
    Ok(page.len())
}

/// Fails.
#[durable_tool]
pub(crate) async fn fail(_cx: &DurableContext, order: String) -> Result<u32, ToolError> {
    Err(ToolError::new(format!("there is no {order}")))
}

/// Refuses.
#[durable_tool]
pub(crate) async fn refuse(_cx: &DurableContext) -> Result<u32, ToolError> {
    Err(ToolError::protocol("not today"))
}

/// Shows.
#[durable_tool]
pub(crate) async fn show(_cx: &DurableContext) -> Result<Vec<Content>, ToolError> {
    Ok(vec![Content::text("a page")])
}

/// Takes too long.
#[durable_tool(timeout = "1s")]
pub(crate) async fn dawdle(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(1)
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Whether it may be
    confirm: bool,
}

/// Asks a person.
#[durable_tool]
pub(crate) async fn ask(cx: &DurableContext, order: String) -> Result<String, ToolError> {
    #[once(at_most, name = "before")]
    work(cx, &order).await?;
    let answer = cx.elicit::<Confirmation>(format!("Send {order}?")).named("confirmation").await;
    Ok(match answer.accepted() {
        Ok(confirmation) => format!("answered {}", confirmation.confirm),
        Err(unanswered) => format!("unanswered: {unanswered}"),
    })
}

/// A server of these tools, before its store.
pub(crate) fn server(clock: &HeldClock) -> ServerBuilder {
    let mut limits = Limits::default();
    limits.outcome_bytes = 500;
    let server = Server::builder("golden", "1.0.0").clock(clock.clone()).limits(limits).grace(Duration::ZERO);
    server.tool(sell).tool(sleep).tool(print).tool(fail).tool(refuse).tool(show).tool(dawdle).tool(ask)
}

/// Sends a request of the revision 2025-11-25, and gives what comes back until `end` is in it.
pub(crate) fn post(address: SocketAddr, session: Option<&str>, body: &str, end: &str) -> String {
    let session = session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
    let mut stream = TcpStream::connect(address).expect("the server listens");
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n{session}\r\n{body}",
        body.len()
    )
    .expect("sent");
    let (mut response, mut part) = (String::new(), [0; 4096]);
    while !response.contains(end) {
        let read = stream.read(&mut part).expect("a response");
        assert!(read > 0, "the response ends without `{end}`: {response}");
        response.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    response
}
