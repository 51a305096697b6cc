//! The attribute macros of durable MCP servers: what a tool author writes, checked and turned into calls of the runtime.
//!
//! Depend on `durable-runtime`, which re-exports the macros in its prelude; its documentation has the examples that
//! run, since a crate of macros cannot depend on the runtime that its expansions name.
//!
//! A macro reads everything before it complains: the mistakes of one function are reported at once, each on the
//! offending token, and the tool still exists afterwards, so that nothing else breaks.

mod audit;
mod determinism;
mod diagnostics;
mod helper;
mod misplaced;
mod once;
mod option;
mod origin;
mod test;
mod tool;
mod toolset;
mod unfinished;

use proc_macro::TokenStream;

/// Makes a tool of an async function, whose name `ServerBuilder::tool` takes then.
///
/// ```text
/// /// Creates a user and a profile.
/// #[durable_tool]
/// async fn create_user_with_profile(
///     cx: &DurableContext,
///     /// The name to sign in with.
///     username: String,
///     #[arg(default = "")] bio: String,
/// ) -> Result<Created, ToolError> {
///     #[once(at_least)]
///     let user_id = create_user(cx, &username).await?;
///     #[once(at_least)]
///     let profile_id = create_profile(cx, &user_id, &bio).await?;
///     Ok(Created { user_id, profile_id })
/// }
/// ```
///
/// The function takes a `&DurableContext` (a `&ReadContext` if it is `read_only`) and the tool's arguments, owned types
/// that implement `Deserialize` and `JsonSchema`. It returns a `Result`. Its doc comment is the tool's description, and
/// those of its parameters describe the arguments.
///
/// Each `.await` of the body is a step, marked with [`macro@once`], or an operation of the framework.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `name = ".."` | the tool's name, otherwise the function's |
/// | `title = ".."` | a name for people |
/// | `description = ".."` | the description, otherwise the doc comment |
/// | `read_only` | the tool causes no effects: no steps, no journal, and awaits are free |
/// | `destructive`, `destructive = false` | a hint: whether the tool may destroy something |
/// | `open_world`, `open_world = false` | a hint: whether the tool deals with the world outside |
/// | `idempotency = ".."` | the argument, or `"args"` for all of them, that the idempotency key is derived from; a client's key is ignored |
/// | `idempotency = "undelivered"` | a call without a key, made again because its answer was lost, is the same call; see `docs/idempotency.md` |
/// | `idempotent` | a hint: calling again with the same arguments changes nothing more |
/// | `timeout = ".."` | the longest time from a call's admission to its end, as `"10m"` |
/// | `task = "always"`, `task = "required"`, `task_after = ".."` | when calls are tasks |
/// | `on_disconnect = "detach"` | calls go on when their clients go |
/// | `on_cancel = path` | the `#[durable]` function that undoes a cancelled call; it is lent the tool's arguments |
/// | `requires(elicitation, sampling, roots)` | clients without these capabilities are refused |
/// | `rename_all = ".."` | how arguments are named after parameters, as in serde: `"camelCase"` |
/// | `retry(..)` | the retries of steps whose markers say nothing of them, as in [`macro@once`] |
/// | `crate = path` | where `durable_runtime` is found, if not at `::durable_runtime` |
///
/// A parameter may say `#[arg(default = expr)]`: what the argument is when the caller leaves it out; and
/// `#[arg(rename = "..")]`: the name by which the caller gives it. In place of all arguments one parameter may stand under
/// `#[args]`, whose type has them as its fields.
#[proc_macro_attribute]
pub fn durable_tool(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(tool::Kind::Tool, options.into(), &item.into()).into()
}

/// Makes a prompt of an async function, whose name `ServerBuilder::prompt` takes then.
///
/// ```text
/// /// Asks for a review of some code.
/// #[durable_prompt]
/// async fn review(
///     _cx: &ReadContext,
///     /// The code.
///     code: String,
///     /// The language that it is written in.
///     #[arg(complete = languages)] language: Option<String>,
/// ) -> Result<Vec<PromptMessage>, ToolError> {
///     Ok(vec![PromptMessage::user(format!("Review this: {code}"))])
/// }
/// ```
///
/// It is written as a tool is, with a `&ReadContext` or a `&DurableContext`. Its arguments come as texts; a number or a boolean is
/// read from one. `#[arg(complete = path)]` names a `fn(&str) -> Vec<String>` that completes what is typed.
///
/// # Options
///
/// `name`, `title`, `description`, `timeout`, `rename_all`, `retry(..)` and `crate`, as for [`macro@durable_tool`].
#[proc_macro_attribute]
pub fn durable_prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(tool::Kind::Prompt, options.into(), &item.into()).into()
}

/// Makes a resource of an async function, whose name `ServerBuilder::resource` takes then.
///
/// ```text
/// /// The notes of a day.
/// #[durable_resource(uri = "notes://{day}", mime_type = "text/plain")]
/// async fn notes(cx: &ReadContext, day: String) -> Result<ResourceContents, ToolError> {
///     let notes = NOTES.get(cx, &day).await?.ok_or_else(|| ToolError::new("there are no notes of this day"))?;
///     Ok(notes.into())
/// }
/// ```
///
/// It is written as a tool is, with a `&ReadContext` or a `&DurableContext`; its parameters are the variables of its URI.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `uri = ".."` | its URI, or the template of many (RFC 6570, level 1) |
/// | `mime_type = ".."` | its media type |
/// | `cache = ".."` | how long clients of 2026-07-28 may keep what it gave, as `"1m"`; not at all without it |
/// | `name = ".."` | what it is called, otherwise the function's name |
///
/// and `title`, `description`, `timeout`, `rename_all`, `retry(..)` and `crate`, as for [`macro@durable_tool`].
#[proc_macro_attribute]
pub fn durable_resource(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(tool::Kind::Resource, options.into(), &item.into()).into()
}

/// Makes tools of the methods of an impl block that are under [`macro@durable_tool`].
///
/// ```text
/// #[durable_tools]
/// impl Shop {
///     /// Buys an item.
///     #[durable_tool]
///     async fn buy(&self, cx: &DurableContext, item: String) -> Result<Receipt, ToolError> {
///         let price = self.prices.of(&item);
///         #[once(at_most)]
///         let receipt = self.charge(cx, &item, price).await?;
///         Ok(receipt)
///     }
/// }
/// ```
///
/// `ServerBuilder::tools` takes a value of the type, or an `Arc` of one; all calls share it. Methods without the attribute are
/// left as they are. A type has one such block.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `crate = path` | where `durable_runtime` is found, if not at `::durable_runtime` |
#[proc_macro_attribute]
pub fn durable_tools(options: TokenStream, item: TokenStream) -> TokenStream {
    toolset::expand(options.into(), &item.into()).into()
}

/// Leaves an entry in an audit log for each call of a tool, written in the commit of the call's end, so exactly once.
///
/// ```text
/// /// Creates a user.
/// #[audit("user_operations", redact(password))]
/// #[durable_tool]
/// async fn create_user(cx: &DurableContext, name: String, password: String) -> Result<Created, ToolError> { .. }
/// ```
///
/// It stands above or below [`macro@durable_tool`], and several times with different logs. An entry says the tool, its inputs,
/// its outputs or its error, whether it succeeded, and how long it took. Calls that are refused leave none.
///
/// # Options
///
/// The name of the log comes first: 1 to 64 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`.
///
/// | option | meaning |
/// |---|---|
/// | `redact(field, ..)` | fields of these names, at any depth, are in the entry with the value `"[redacted]"` |
///
/// A server does not open with a tool that redacts a field which neither its arguments nor its value can have.
#[proc_macro_attribute]
pub fn audit(options: TokenStream, item: TokenStream) -> TokenStream {
    audit::expand(&options.into(), &item.into()).into()
}

/// Makes a durable function of an async one: a helper of tools that has steps of its own.
///
/// ```text
/// #[durable(key = order.id)]
/// async fn fulfil(cx: &DurableContext, order: &Order) -> Result<Receipt, ToolError> {
///     #[once(at_least)]
///     reserve(cx, order).await?;
///     #[once(at_most)]
///     let receipt = charge(cx, order).await?;
///     Ok(receipt)
/// }
/// ```
///
/// The function takes its caller's `&DurableContext`, and whatever else; it may be generic, borrow, be a method of an
/// inherent `impl` block, and return any type. Its body is like a tool's: each `.await` is a step, or an operation of the
/// framework. Its own future is one, so tools and other durable functions await it without a marker.
///
/// Each call has a scope of its own, in which its steps are recorded. It is taken at the call, not at the first poll: of
/// several calls in one body each after the first is numbered, in the order of the calls, unless a key tells them apart.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `name = ".."` | the name in the journal, otherwise the function's |
/// | `key = expr` | tells its calls apart; computed from the parameters, implements `Display` |
/// | `crate = path` | where `durable_runtime` is found, if not at `::durable_runtime` |
#[proc_macro_attribute]
pub fn durable(options: TokenStream, item: TokenStream) -> TokenStream {
    helper::expand(options.into(), &item.into()).into()
}

/// Marks an awaited expression in a durable tool as a step, whose outcome is recorded and not computed again.
///
/// ```text
/// #[once(at_least, retry(attempts = 5, initial = "100ms"))]
/// let page = client.get(url).send().await.map_err(ToolError::from)?;
///
/// #[once(at_most, retry_on(ChargeError::Network(_)))]
/// let receipt = charge(cx, &order).await;
/// ```
///
/// A marker stands on a `let`, on a statement, or directly before the expression. The step is the expression up to a
/// final `?`; it awaits exactly once, and yields a `Result`. It may run again, so it reads local variables and neither
/// changes nor consumes them. Inside it, the context is the `&StepContext` of the attempt.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `at_least` | repeated after errors and crashes, until it succeeds or its attempts are used up |
/// | `at_most` | never repeated, unless an error is named by `retry_on` |
/// | `name = ".."` | the step's name in the journal, otherwise that of the awaited function |
/// | `key = expr` | tells the rounds of a loop apart; implements `Display` |
/// | `infallible` | the expression yields a plain value, no `Result` (`at_least` only) |
/// | `retry(..)` | `attempts = n` or `unlimited`, `initial = ".."`, `factor = x`, `max = ".."`, `jitter = x` |
/// | `retry_on(PATTERN)` | the errors after which an `at_most` step may run again |
/// | `timeout = ".."` | the longest time of one attempt |
///
/// Durations are a number and a unit, such as `"250ms"`, `"30s"` or `"2m"`, in whole milliseconds.
#[proc_macro_attribute]
pub fn once(_options: TokenStream, item: TokenStream) -> TokenStream {
    // Inside a durable tool the marker is taken away before the compiler sees it, so this one stands elsewhere.
    once::misplaced(&item.into()).into()
}

/// Lets a statement or an expression in a durable tool name what a replay may find changed.
///
/// ```text
/// #[allow_nondeterminism]
/// let started = Instant::now();
/// let reply = #[allow_nondeterminism] template!(name);
/// ```
///
/// The body of a tool is run again after a crash or a restart, and must then take the same way. So the clock, chance,
/// threads, the environment, files, globals, the order of a `HashMap` parameter and macros that the framework does not know
/// are refused in it outside of steps. This attribute is for those who know that a replay gets the same, or that what it
/// gets decides nothing: neither a step's name, key or arguments, nor a branch, nor the result.
///
/// It takes no options, and is only understood in the body of a durable tool.
#[proc_macro_attribute]
pub fn allow_nondeterminism(_options: TokenStream, item: TokenStream) -> TokenStream {
    // Inside a durable tool it is taken away before the compiler sees it, so this one stands elsewhere.
    determinism::misplaced(&item.into()).into()
}

/// Makes a test of an async function: it runs a server with tools, and can run again with a crash at every commit.
///
/// ```text
/// #[durable_test(crash = every_point, in_doubt(charge))]
/// async fn a_card_is_charged_at_most_once(run: TestRun) {
///     let bank = Witness::default();
///     let outside = bank.clone();
///     let server = run.server(move || Server::builder("shop", "1.0.0").state(outside.clone()).tool(buy)).await;
///     let bought = server.call("buy", json!({ "item": "tea" })).await.unwrap();
///     assert!(bank.times("a charge") <= 1);
/// }
/// ```
///
/// The function takes the `TestRun` that it is, and returns nothing or a `Result<(), E>`. It does the same each time: what
/// differs between its runs is to come from the crash.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `crash = every_point` | after an undisturbed run, one for each moment of each of its commits, with a crash there; all must end as the first |
/// | `in_doubt(step, ..)` | at-most-once steps, by name, that a crash may leave in doubt: such a run may end otherwise |
/// | `crate = path` | where `durable_runtime` is found, if not at `::durable_runtime` |
#[proc_macro_attribute]
pub fn durable_test(options: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(options.into(), &item.into()).into()
}
