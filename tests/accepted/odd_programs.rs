//! What works though one may doubt it: names of the expansion's own, raw identifiers, macros, labels, single imports.

#![deny(warnings)]

use durable_runtime::{
    DurableContext, Server, StepContext, ToolError, allow_nondeterminism, durable, durable_tool, join, once,
};

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

async fn make<T: From<u32>>(_: &StepContext) -> Result<T, ToolError> {
    Ok(T::from(1))
}

/// Has parameters with names that an expansion uses.
#[durable_tool]
#[allow(clippy::too_many_arguments)]
async fn names(
    cx: &DurableContext,
    attempt: u32,
    next: u32,
    step: u32,
    __private: u32,
    outcome: u32,
    result: u32,
    error: u32,
) -> Result<u32, ToolError> {
    #[once(at_most, timeout = "1s", retry_on(_ if error > 1))]
    let first = call(cx, attempt + next + step + __private + outcome + result).await?;
    let (second, third) = join!(
        async {
            #[once(at_least, name = "in a branch", key = step)]
            call(cx, attempt + next + outcome).await
        },
        helper(cx, 1, 2, 3),
    );
    Ok(first + second? + third?)
}

/// Has a context with a name that an expansion uses.
#[durable_tool]
async fn context(step: &DurableContext, arguments: u32) -> Result<u32, ToolError> {
    #[once(at_least, timeout = "1s")]
    let value = call(step, arguments).await?;
    let _ = step.now();
    Ok(value)
}

#[durable(key = scope)]
async fn helper(cx: &DurableContext, scope: u32, output: u32, branch_0: u32) -> Result<u32, ToolError> {
    #[once(at_most)]
    let value = call(cx, scope + output).await?;
    let (branch,) = join!(async {
        #[allow_nondeterminism]
        let _started = std::time::Instant::now();
        #[once(at_least, name = "again")]
        call(cx, branch_0).await
    });
    Ok(value + branch?)
}

/// Has raw names.
#[durable_tool]
async fn r#match(r#ref: &DurableContext, r#type: u32, #[arg(default = 5)] r#in: u32) -> Result<u32, ToolError> {
    #[once(at_most, key = r#type)]
    let r#fn = call(r#ref, r#type + r#in).await?;
    Ok(r#fn)
}

macro_rules! made {
    ($name:ident, $value:expr, $($argument:ident: $ty:ty),*) => {
        /// Made by a macro.
        #[durable_tool]
        async fn $name(cx: &DurableContext, $($argument: $ty),*) -> Result<u32, ToolError> {
            #[once(at_least, name = "made")]
            let value = call(cx, $value).await?;
            $(let _ = $argument;)*
            Ok(value)
        }
    };
}
made!(one, 5, first: u32, second: String);
made!(two, 1 + 1,);

/// Leaves loops, and says types.
#[durable_tool]
async fn flow(cx: &DurableContext, numbers: Vec<u32>) -> Result<u32, ToolError> {
    'outer: for number in &numbers {
        for other in 0..3 {
            #[once(at_least, key = format!("{number}-{other}"))]
            let value = call(cx, *number + other).await?;
            match value {
                1 => continue 'outer,
                2 => break 'outer,
                _ => {}
            }
        }
    }
    let typed: u64 = #[durable_runtime::once(at_least)]
    make::<u64>(cx).await?;
    let mut round = 0;
    loop {
        round += 1;
        if round > 3
            && let 1..=5 = #[once(at_least, name = "in a condition", key = round)]
            call(cx, round).await?
            && typed > 0
        {
            break Ok(round);
        }
    }
}

#[test]
fn is_accepted() {
    let _ = Server::builder("odd", "1.0.0").tool(names).tool(context).tool(r#match).tool(one).tool(two).tool(flow);
}
