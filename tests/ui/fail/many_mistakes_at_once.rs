use durable_runtime::prelude::*;

const NOTES: SortedMap<u32> = SortedMap::new("notes");

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn foreign() -> u32 {
    1
}

#[durable_tool(name = "many mistakes", titel = "Many")]
fn tool(cx: &DurableContext, (left, right): (u32, u32), #[arg(defualt = 1)] count: u32, name: &str) -> u32 {
    #[once(at_least, retry(attempts = 0, initial = "soon"))]
    let first = call(cx).await?;
    #[once]
    let second = call(cx).await?;
    for number in 0..count {
        #[once(at_most, infallible)]
        let third = foreign().await;
    }
    #[once(at_least)]
    let fourth = call(cx);
    let unmarked = foreign().await;
    let hidden = vec![NOTES.get(cx, "a").await?];
    first + second + left + right
}

fn main() {
    // The tool is still there.
    let _ = tool;
}
