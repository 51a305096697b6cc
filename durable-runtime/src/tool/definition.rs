//! What is said of a tool: to clients, and to the engine.

use std::time::Duration;

use schemars::JsonSchema;
use serde_json::Value;

use super::Sent;
use crate::audit::Audit;
use crate::engine::KeySource;
use crate::state::StateType;
use crate::{prompt, resource};

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

    /// Makes the idempotency keys of calls without one of all their arguments, for as long as no answer was delivered.
    #[doc(hidden)]
    #[must_use]
    pub fn key_until_delivered(mut self) -> Self {
        self.idempotency = Some(KeySource::Undelivered);
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

pub(super) fn schema<T: JsonSchema>() -> Value {
    let mut schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    // The title would be the name of a Rust type, which says nothing to a client.
    schema.remove("title");
    schema.to_value()
}
