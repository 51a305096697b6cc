//! The trait that `#[durable_tool]` implements, and the set of tools that a server offers.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::Audit;
use crate::compensation::Compensation;
use crate::context::{DurableContext, ReadContext};
use crate::engine::check_key_source;
use crate::error::{Error, ErrorKind};
use crate::state::States;

mod definition;
mod returns;

pub use definition::{Completion, TaskMode, ToolDefinition};
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
