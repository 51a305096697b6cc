//! Branches of every form, in a strict crate.

#![deny(missing_docs, unreachable_pub, unused_qualifications)]
#![deny(rust_2018_idioms)]
#![deny(warnings)]
#![forbid(unsafe_code)]

use durable_runtime::prelude::*;
use durable_runtime::{join, race};

const NOTES: SortedMap<String> = SortedMap::new("notes");

async fn send(_: &StepContext, text: &str) -> Result<usize, ToolError> {
    Ok(text.len())
}

#[durable]
async fn send_twice(cx: &DurableContext, text: &str) -> Result<usize, ToolError> {
    let (first, second) = durable_runtime::try_join!(
        async {
            #[once(at_most, name = "first")]
            send(cx, text).await
        },
        async move {
            #[once(at_most, name = "second")]
            let length = send(cx, text).await?;
            Ok(length)
        },
    )?;
    Ok(first + second)
}

/// Joins.
#[durable_tool]
pub async fn tool(cx: &DurableContext, name: String) -> Result<usize, ToolError> {
    let mut total = 0;
    let (a, b, (c, d)) = join!(send_twice(cx, &format!("{name}!")), NOTES.get(cx, &name), async {
        total += 1;
        join!(send_twice(cx, &name), async { 1 })
    });
    total += a? + b?.map_or(0, |note| note.len()) + c? + d;
    for round in 0..2 {
        total += race! {
            async {
                #[once(at_least, key = round, infallible, name = "ready")]
                std::future::ready(1).await
            },
            async {
                cx.sleep(std::time::Duration::from_secs(1)).await;
                2
            }
        };
    }
    join!(cx.sleep(std::time::Duration::ZERO));
    #[once(at_least, name = "foreign")]
    let both = async { Ok::<_, ToolError>(tokio::join!(send(cx, "a"), send(cx, "b"))) }
        .await
        .map(|(a, b)| (a.ok(), b.ok()))?;
    total += both.0.unwrap_or(0);
    ::durable_runtime::try_join! { send_twice(cx, &name), send_twice(cx, &name) }
        .map(|(left, right)| left + right + total)
}

#[test]
fn is_accepted() {
    let _ = tool;
}
