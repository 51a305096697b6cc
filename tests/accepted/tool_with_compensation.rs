//! A tool that is undone when it is cancelled, with arguments and a state.
use durable_runtime::prelude::*;

struct Bank;

async fn charge(_cx: &StepContext, order: &str) -> Result<String, ToolError> {
    Ok(order.to_owned())
}

/// Pays an order.
#[durable_tool(on_cancel = give_back)]
async fn pay(cx: &DurableContext, bank: State<Bank>, order: String, cents: u64) -> Result<String, ToolError> {
    let _ = (&bank, cents);
    #[once(at_most)]
    let receipt = charge(cx, &order).await?;
    Ok(receipt)
}

#[durable]
async fn give_back(cx: &DurableContext, _bank: &State<Bank>, order: &str, cents: &u64) -> Result<(), ToolError> {
    if let CancelledStep::Succeeded(_) | CancelledStep::InDoubt = cx.cancelled_step::<String>("charge") {
        #[once(at_least, name = "refund")]
        charge(cx, order).await?;
    }
    let _ = cents;
    Ok(())
}

#[test]
fn is_accepted() {
    let _builder = Server::builder("bank", "1.0.0").state(Bank).tool(pay);
}
