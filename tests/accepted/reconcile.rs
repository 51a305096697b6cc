//! Asking what became of an attempt: by a function, by a call with more arguments, by a closure and by a method.

use durable_runtime::prelude::*;

struct Service;

impl Service {
    async fn find(&self, cx: &StepContext) -> Result<Reconciled<u32>, String> {
        let _ = cx.idempotency_key();
        Ok(Reconciled::Unknown)
    }
}

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn find(_: &StepContext) -> Result<Reconciled<u32>, ToolError> {
    Ok(Reconciled::DidNotHappen)
}

async fn find_of(_: &StepContext, order: &str) -> Result<Reconciled<u32>, String> {
    Err(order.to_owned())
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, order: String) -> Result<u32, ToolError> {
    let service = Service;
    #[once(at_most, name = "one", reconcile = find)]
    let one = call(cx).await?;
    #[once(at_most, name = "two", reconcile = find_of(cx, &order), retry(attempts = 9), timeout = "1s")]
    let two = call(cx).await?;
    #[once(at_most, name = "three", reconcile = service.find(cx), retry_on(_))]
    let three = call(cx).await?;
    #[once(at_most, name = "four", reconcile = async { Ok::<_, ToolError>(Reconciled::Happened(4)) })]
    let four = call(cx).await?;
    Ok(one + two + three + four)
}

#[test]
fn is_accepted() {}
