use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: &DurableContext) -> u32 {
    let shared = std::rc::Rc::new(1);
    cx.sleep(std::time::Duration::from_secs(1)).await;
    *shared
}

fn main() {}
