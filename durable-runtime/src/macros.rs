//! The macros for branches. Bodies of tools and of durable functions are rewritten before the compiler meets them there.
//!
//! What is left in a body is a call with a compile error as its branch: ours drop it, and a macro of the same name from
//! elsewhere, which would await its branches itself, lets it out.

/// Runs branches beside each other and awaits all of them; gives what they give, as a tuple.
///
/// It is used in the body of a tool or of a [`durable`](crate::durable) function, and awaits by itself. A branch is an
/// `async` block, in which steps are marked as in the body, or a call that gives a durable operation: of a durable function,
/// of a table. There are 1 to 8. Each has a scope of its own, with a `cx` of its own, so that the order in which the branches
/// come to their steps means nothing.
///
/// ```
/// # use durable_runtime::prelude::*;
/// # async fn fetch(_: &StepContext, city: &str) -> Result<String, ToolError> { Ok(city.into()) }
/// #[durable]
/// async fn forecast(cx: &DurableContext, city: &str) -> Result<String, ToolError> {
///     #[once(at_least)]
///     let forecast = fetch(cx, city).await?;
///     Ok(forecast)
/// }
///
/// /// Compares the weather in two cities.
/// #[durable_tool]
/// async fn compare(cx: &DurableContext, left: String, right: String) -> Result<bool, ToolError> {
///     let (left, right) = join!(forecast(cx, &left), forecast(cx, &right));
///     Ok(left? == right?)
/// }
/// ```
#[macro_export]
macro_rules! join {
    ({ ::core::compile_error!($not_ours:literal) }) => {};
    ($($branch:tt)*) => {
        ::core::compile_error!(
            "`join!` is durable, and understood in the body of a function under `#[durable_tool]` or `#[durable]` only: \
             move it there; in a step and everywhere else use `tokio::join!`"
        )
    };
}

/// Runs branches beside each other up to the first error: gives the values of all as a tuple in `Ok`, or that error.
///
/// As [`join!`](crate::join), where each branch yields a `Result`, all with the same error. The branch whose error ended the
/// wait is recorded, so that a replay ends with the same one. The others are dropped where they stand: an attempt under way
/// is cut off there, and not made again.
#[macro_export]
macro_rules! try_join {
    ({ ::core::compile_error!($not_ours:literal) }) => {};
    ($($branch:tt)*) => {
        ::core::compile_error!(
            "`try_join!` is durable, and understood in the body of a function under `#[durable_tool]` or `#[durable]` \
             only: move it there; in a step and everywhere else use `tokio::try_join!`"
        )
    };
}

/// Runs branches beside each other and gives what the first to end gives.
///
/// As [`join!`](crate::join), where all branches yield the same type. Which branch was the first is recorded, so that a
/// replay takes the same one. The others are dropped where they stand: an attempt under way is cut off there, and not made
/// again. Of several that end at once, the first in the order of the macro counts.
#[macro_export]
macro_rules! race {
    ({ ::core::compile_error!($not_ours:literal) }) => {};
    ($($branch:tt)*) => {
        ::core::compile_error!(
            "`race!` is durable, and understood in the body of a function under `#[durable_tool]` or `#[durable]` only: \
             move it there; in a step and everywhere else use `tokio::select!`"
        )
    };
}
