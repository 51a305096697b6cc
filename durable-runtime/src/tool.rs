//! The trait that `#[durable_tool]` implements, and the set of tools that a server offers.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::Audit;
use crate::compensation::Compensation;
use crate::context::{DurableContext, ReadContext};
use crate::engine::{KeySource, check_key_source};
use crate::error::{Error, ErrorKind};
use crate::state::{StateType, States};
use crate::{prompt, resource};

mod returns;

pub use returns::{Sent, ToolFault, ToolReturn, ToolValue, sent};

pub(crate) use returns::Conclude;

/// Arguments that do not fit a tool's input: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    path: String,
    message: String,
}

impl ArgumentError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "`{}`: {}", self.path, self.message) }
    }
}

impl std::error::Error for ArgumentError {}

/// Reads a tool's arguments into the type that its parameters make.
#[doc(hidden)]
pub fn decode_arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, ArgumentError> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        ArgumentError::new(path, error.into_inner().to_string())
    })
}

type ConcludeFuture = Pin<Box<dyn Future<Output = Result<Conclude, serde_json::Error>> + Send>>;
type Start<C> = Box<dyn FnOnce(C) -> ConcludeFuture + Send>;

/// One call of a tool's function, with its arguments, not yet begun.
pub struct Body(pub(crate) BodyKind);

pub(crate) enum BodyKind {
    Durable(Start<DurableContext>),
    ReadOnly(Start<ReadContext>),
}

fn start<C, F, Fut, R>(sent: &Sent<R>, function: F) -> Start<C>
where
    F: FnOnce(C) -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: 'static,
{
    let conclude = sent.conclude;
    Box::new(move |cx| {
        let body = function(cx);
        Box::pin(async move { conclude(body.await) })
    })
}

impl Body {
    /// A call that is journaled.
    #[doc(hidden)]
    pub fn durable<F, Fut, R>(sent: &Sent<R>, function: F) -> Self
    where
        F: FnOnce(DurableContext) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: 'static,
    {
        Self(BodyKind::Durable(start(sent, function)))
    }

    /// A call that only reads.
    #[doc(hidden)]
    pub fn read_only<F, Fut, R>(sent: &Sent<R>, function: F) -> Self
    where
        F: FnOnce(ReadContext) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: 'static,
    {
        Self(BodyKind::ReadOnly(start(sent, function)))
    }
}

/// A tool: what is said of it to clients, and how a call of it is made. `#[durable_tool]` implements it.
pub trait Tool: Send + Sync + 'static {
    /// What clients are told.
    fn definition(&self) -> ToolDefinition;

    /// Reads the arguments of one call, and takes the states that it needs, without beginning it.
    ///
    /// # Errors
    ///
    /// When they do not fit the function's parameters.
    fn prepare(&self, arguments: Value, states: &States) -> Result<Body, ArgumentError>;

    /// What undoes a cancelled call, if the tool says what does.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    fn compensate(&self, arguments: Value, states: &States) -> Option<Result<Compensation, ArgumentError>> {
        let _ = (arguments, states);
        None
    }
}

/// Lists tools for [`ServerBuilder::tools`](crate::ServerBuilder::tools), by the names of their functions.
///
/// ```
/// use durable_runtime::prelude::*;
///
/// mod users {
///     use durable_runtime::prelude::*;
///
///     /// Greets.
///     #[durable_tool(read_only)]
///     pub async fn greet(_cx: &ReadContext, name: String) -> Result<String, ToolError> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// /// Adds.
/// #[durable_tool(read_only)]
/// async fn add(_cx: &ReadContext, a: i64, b: i64) -> Result<i64, ToolError> {
///     Ok(a + b)
/// }
///
/// let builder = Server::builder("tools", "1.0.0").tools(tools![users::greet, add]);
/// ```
#[macro_export]
macro_rules! tools {
    ($($tool:path),* $(,)?) => {{
        let tools: ::std::vec::Vec<::std::boxed::Box<dyn $crate::Tool>> =
            ::std::vec![$(::std::boxed::Box::new($tool())),*];
        tools
    }};
}

/// Gives what an argument may go on with, from what is typed of it.
#[doc(hidden)]
pub type Completion = fn(&str) -> Vec<String>;

/// When a call of a tool goes on as a task.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskMode {
    /// When it has taken long, if the client can have tasks.
    Auto,
    /// At once, if the client can have tasks.
    Always,
    /// At once; a client that cannot have tasks is refused.
    Required,
}

/// What clients are told of a tool.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is what an author has said or not")]
pub struct ToolDefinition {
    pub(crate) name: &'static str,
    pub(crate) title: Option<&'static str>,
    pub(crate) description: &'static str,
    pub(crate) read_only: bool,
    pub(crate) destructive: Option<bool>,
    pub(crate) open_world: Option<bool>,
    pub(crate) task: TaskMode,
    pub(crate) task_after: Option<Duration>,
    pub(crate) idempotent: bool,
    pub(crate) idempotency: Option<KeySource>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) detach: bool,
    pub(crate) compensates: bool,
    /// Completions of arguments of prompts and resources.
    pub(crate) completions: Vec<(&'static str, Completion)>,
    pub(crate) mime_type: Option<&'static str>,
    /// How long what a resource gives may be kept by clients.
    pub(crate) fresh_for: Option<Duration>,
    pub(crate) requires: Vec<&'static str>,
    pub(crate) states: Vec<StateType>,
    pub(crate) audits: Vec<Audit>,
    pub(crate) input_schema: Value,
    pub(crate) output_schema: Value,
    /// Whether the value is shown as blocks of content.
    pub(crate) presents: bool,
}

impl ToolDefinition {
    /// A definition whose schemas (JSON Schema 2020-12) are those of the argument type `A` and of the value in the
    /// return type `R`.
    #[doc(hidden)]
    pub fn new<A: JsonSchema, R>(sent: &Sent<R>, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            title: None,
            description,
            read_only: false,
            destructive: None,
            open_world: None,
            task: TaskMode::Auto,
            task_after: None,
            idempotent: false,
            idempotency: None,
            timeout: None,
            detach: false,
            compensates: false,
            completions: Vec::new(),
            mime_type: None,
            fresh_for: None,
            requires: Vec::new(),
            states: Vec::new(),
            audits: Vec::new(),
            input_schema: schema::<A>(),
            output_schema: (sent.schema)(),
            presents: (sent.presents)(),
        }
    }

    /// Sets the title that people are shown.
    #[doc(hidden)]
    #[must_use]
    pub fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Says that the tool only reads.
    #[doc(hidden)]
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Says whether the tool may destroy something.
    #[doc(hidden)]
    #[must_use]
    pub fn destructive(mut self, destructive: bool) -> Self {
        self.destructive = Some(destructive);
        self
    }

    /// Says whether the tool deals with the world outside.
    #[doc(hidden)]
    #[must_use]
    pub fn open_world(mut self, open_world: bool) -> Self {
        self.open_world = Some(open_world);
        self
    }

    /// Says when a call goes on as a task.
    #[doc(hidden)]
    #[must_use]
    pub fn task(mut self, mode: TaskMode) -> Self {
        self.task = mode;
        self
    }

    /// Says after how many milliseconds a call goes on as a task.
    #[doc(hidden)]
    #[must_use]
    pub fn task_after(mut self, millis: u64) -> Self {
        self.task_after = Some(Duration::from_millis(millis));
        self
    }

    /// Says that a call with the same arguments changes nothing more.
    #[doc(hidden)]
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Makes the idempotency keys of calls of all their arguments.
    #[doc(hidden)]
    #[must_use]
    pub fn key_from_arguments(mut self) -> Self {
        self.idempotency = Some(KeySource::Arguments);
        self
    }

    /// Makes them of the argument of this name.
    #[doc(hidden)]
    #[must_use]
    pub fn key_from(mut self, argument: &'static str) -> Self {
        self.idempotency = Some(KeySource::Argument(argument));
        self
    }

    /// Sets within which time of its admission a call must end.
    #[doc(hidden)]
    #[must_use]
    pub fn timeout_ms(mut self, millis: u64) -> Self {
        self.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// Says that a call goes on when its client has gone.
    #[doc(hidden)]
    #[must_use]
    pub fn detach(mut self) -> Self {
        self.detach = true;
        self
    }

    /// Says that something undoes a cancelled call.
    #[doc(hidden)]
    #[must_use]
    pub fn compensates(mut self) -> Self {
        self.compensates = true;
        self
    }

    /// Sets what completes an argument.
    #[doc(hidden)]
    #[must_use]
    pub fn complete(mut self, argument: &'static str, completion: Completion) -> Self {
        self.completions.push((argument, completion));
        self
    }

    /// Sets the media type of a resource.
    #[doc(hidden)]
    #[must_use]
    pub fn mime_type(mut self, mime_type: &'static str) -> Self {
        self.mime_type = Some(mime_type);
        self
    }

    /// Sets for how long clients may keep what a resource gave.
    #[doc(hidden)]
    #[must_use]
    pub fn fresh_for_ms(mut self, millis: u64) -> Self {
        self.fresh_for = Some(Duration::from_millis(millis));
        self
    }

    /// Whether it is neither a prompt nor a resource.
    pub(crate) fn is_tool(&self) -> bool {
        !self.name.contains(':')
    }

    /// Its name without what tells prompts and resources from tools.
    pub(crate) fn public_name(&self) -> &'static str {
        self.name.strip_prefix(prompt::PREFIX).or_else(|| self.name.strip_prefix(resource::PREFIX)).unwrap_or(self.name)
    }

    /// Says that the client must have this capability.
    #[doc(hidden)]
    #[must_use]
    pub fn requires(mut self, capability: &'static str) -> Self {
        self.requires.push(capability);
        self
    }

    /// Says that the tool takes a state of this type.
    #[doc(hidden)]
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self) -> Self {
        self.states.push(StateType::of::<T>());
        self
    }

    /// Says that each call leaves an entry in this audit log, without the values of these fields.
    #[doc(hidden)]
    #[must_use]
    pub fn audit(mut self, log: &'static str, redacted: &'static [&'static str]) -> Self {
        self.audits.push(Audit { log, redacted });
        self
    }

    /// The name that clients call.
    pub fn name(&self) -> &str {
        self.name
    }
}

fn schema<T: JsonSchema>() -> Value {
    let mut schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    // The title would be the name of a Rust type, which says nothing to a client.
    schema.remove("title");
    schema.to_value()
}

/// A tool in a server, with what is computed of it once.
pub(crate) struct RegisteredTool {
    pub(crate) tool: Box<dyn Tool>,
    pub(crate) definition: ToolDefinition,
}

impl RegisteredTool {
    /// Reads the arguments of one call. The author's types take part in that, and may panic.
    fn prepare(&self, arguments: Value, states: &States) -> Result<Body, ArgumentError> {
        catch_unwind(AssertUnwindSafe(|| self.tool.prepare(arguments, states))).unwrap_or_else(|_| {
            Err(ArgumentError::new("", "reading the arguments panicked; the server's log says where"))
        })
    }
}

/// The tools of a server, by name.
#[derive(Default)]
pub(crate) struct Registry {
    tools: BTreeMap<&'static str, Arc<RegisteredTool>>,
    states: States,
}

impl Registry {
    pub(crate) fn build(tools: Vec<Box<dyn Tool>>, states: States) -> Result<Self, Error> {
        let mut registry = Self { tools: BTreeMap::new(), states };
        for tool in tools {
            let definition = tool.definition();
            let name = definition.name;
            registry.states.check(name, &definition.states)?;
            definition.audits.iter().try_for_each(|audit| audit.check(&definition))?;
            check_key_source(&definition)?;
            let earlier = registry.tools.insert(name, Arc::new(RegisteredTool { tool, definition }));
            if earlier.is_some() {
                return Err(Error::new(
                    ErrorKind::FixProgram,
                    "duplicate_tool",
                    format!(
                        "two tools are named `{name}`; give one of them another name with `#[durable_tool(name = \"..\")]`"
                    ),
                ));
            }
        }
        Ok(registry)
    }

    /// Reads the arguments of one call of a tool.
    pub(crate) fn prepare(&self, tool: &RegisteredTool, arguments: Value) -> Result<Body, ArgumentError> {
        tool.prepare(arguments, &self.states)
    }

    /// Reads the arguments of a cancelled call for what undoes it, if anything does.
    pub(crate) fn compensate(
        &self,
        tool: &RegisteredTool,
        arguments: Value,
    ) -> Option<Result<Compensation, ArgumentError>> {
        tool.tool.compensate(arguments, &self.states)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<RegisteredTool>> {
        self.tools.get(name)
    }

    /// The logs that calls of a tool leave entries in.
    pub(crate) fn audits(&self, tool: &str) -> &[Audit] {
        self.get(tool).map_or(&[], |registered| &registered.definition.audits)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<RegisteredTool>> {
        self.tools.values()
    }
}
