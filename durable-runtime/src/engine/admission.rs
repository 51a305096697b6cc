//! Admission: from a call to an invocation, new or the one that its idempotency key names.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::answer::{AnswerSource, Submitted};
use super::derived_key::KeySource;
use super::execution::{Run, Undo};
use super::key::{check_key, digest, key_row};
use super::stored::Loaded;
use super::{Engine, Invocation};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Admission, KeyUse};
use crate::store::{Batch, CommitError, Keyspace, StoreError, Write};
use crate::tool::{ArgumentError, Body, BodyKind};

/// A call of a durable tool.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// Who calls; empty for the anonymous caller.
    pub(crate) principal: String,
    pub(crate) origin: &'static str,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) name: Option<Name>,
}

/// Makes a row by which the caller finds the invocation again: durable together with it, and no later than the call counts
/// as admitted.
#[derive(Clone)]
pub(crate) struct Name {
    row: Arc<dyn Fn(InvocationId) -> Write + Send + Sync>,
    is_for_new: bool,
}

impl Name {
    pub(crate) fn new(row: impl Fn(InvocationId) -> Write + Send + Sync + 'static) -> Self {
        Self { row: Arc::new(row), is_for_new: false }
    }

    /// Leaves the name away where the call's idempotency key finds an invocation: the same key finds it again, and the name
    /// would be a commit.
    pub(crate) fn for_new_only(self) -> Self {
        Self { is_for_new: true, ..self }
    }

    fn of(&self, id: InvocationId) -> Write {
        (self.row)(id)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name").finish_non_exhaustive()
    }
}

/// Why a call was not admitted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The arguments do not fit the tool's parameters.
    Arguments(ArgumentError),
    Other(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Engine {
    /// Admits a call, or finds the invocation that its key belongs to. Its admission is durable before its first effect,
    /// and before any answer.
    pub(crate) async fn submit(self: &Arc<Self>, mut call: Call) -> Result<Submitted, Refusal> {
        if self.stopping.is_said() {
            return Err(Error::new(
                ErrorKind::Retry,
                "server_stopping",
                "the server is stopping; make the call again in a moment",
            )
            .into());
        }
        let Some(registered) = self.tools.get(&call.tool) else {
            return Err(
                Error::new(ErrorKind::FixCall, "unknown_tool", format!("there is no tool `{}`", call.tool)).into()
            );
        };
        let arguments = call.arguments.to_string();
        self.surroundings.limits.check_arguments(&call.tool, arguments.len())?;
        let of_tool = registered.definition.idempotency;
        let source = of_tool.filter(|source| call.idempotency_key.is_none() || !source.yields());
        let derived = source.map(|source| source.derive(&registered.definition, &call.arguments)).transpose();
        let derived = derived.map_err(Refusal::Arguments)?.map(|derived| {
            call.idempotency_key = Some(derived.text);
            derived.arguments
        });
        let Some(key) = &call.idempotency_key else {
            let body = self.tools.prepare(registered, call.arguments.take()).map_err(Refusal::Arguments)?;
            return self.start(call, arguments, body, None);
        };
        let digest = derived.unwrap_or_else(|| digest(&call.arguments));
        check_key(key, of_tool.filter(|_| source.is_none()))?;
        let row = key_row(&call.principal, &call.tool, key, source.is_some());
        let _one_at_a_time = self.key_locks.lock(&row).await;
        if let Some(used) = self.key_use(&row).await? {
            let is_delivered = source == Some(KeySource::Undelivered) && self.delivered.has(&used);
            if is_delivered || self.is_over(&used).await? {
                self.forget_key(&row, &used).await?;
            } else if let Some(submitted) = self.attach(&call, key, source, digest, (&row, &used)).await? {
                return Ok(submitted);
            }
        }
        let body = self.tools.prepare(registered, call.arguments.take()).map_err(Refusal::Arguments)?;
        self.start(call, arguments, body, Some((row, digest)))
    }

    /// Gives the invocation that the key was used for before; `None` when it was never admitted, for the store failed.
    async fn attach(
        self: &Arc<Self>,
        call: &Call,
        key: &str,
        source: Option<KeySource>,
        digest: [u8; 32],
        (row, used): (&[u8], &KeyUse),
    ) -> Result<Option<Submitted>, Refusal> {
        if used.arguments != digest {
            let by_client = || {
                format!(
                    "the idempotency key `{key}` was used before for `{}` with other arguments; use a new key for a new call, \
                     and the same arguments to get the earlier call's result",
                    call.tool
                )
            };
            let message = source.map_or_else(by_client, |source| source.conflict(&call.tool));
            return Err(Error::new(ErrorKind::FixCall, "idempotency_key_conflict", message).into());
        }
        let id = InvocationId::from_bytes(used.invocation);
        let Some(submitted) = self.follow(id).await? else {
            if self.surroundings.store.get(Keyspace::IdempotencyKey, row.to_vec()).await?.is_none() {
                return Ok(None);
            }
            return Err(Error::new(
                ErrorKind::AskPerson,
                "invocation_missing",
                format!("the idempotency key `{key}` names invocation {id}, which the store does not have"),
            )
            .into());
        };
        if let Some(name) = call.name.as_ref().filter(|name| !name.is_for_new) {
            let mut batch = Batch::default();
            batch.writes.push(name.of(id));
            match self.surroundings.store.commit(batch).await {
                Ok(()) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(CommitError::GuardFailed(_)) => unreachable!("the batch has no guards"),
            }
        }
        Ok(Some(submitted))
    }

    /// Waits with an invocation that was admitted before; `None` when the store does not have it.
    pub(crate) async fn follow(self: &Arc<Self>, id: InvocationId) -> Result<Option<Submitted>, Error> {
        loop {
            if let Some(coming) = self.directory.coming(id) {
                return Ok(Some(Submitted { id, source: AnswerSource::Coming(coming) }));
            }
            match self.load(id).await? {
                Loaded::Answer(answer) => return Ok(Some(Submitted { id, source: AnswerSource::Known(answer) })),
                // It waits outside of memory, or could not go on before and now can.
                Loaded::Run(_) | Loaded::Suspended(_) => {
                    if let Some(coming) = self.directory.enter(id) {
                        // Read again, now that nobody else can go on with it.
                        self.execute(id, None);
                        return Ok(Some(Submitted { id, source: AnswerSource::Coming(coming) }));
                    }
                    // Its timer has just taken it up.
                }
                Loaded::Missing => return Ok(None),
            }
        }
    }

    fn start(
        self: &Arc<Self>,
        call: Call,
        arguments: String,
        body: Body,
        key: Option<(Vec<u8>, [u8; 32])>,
    ) -> Result<Submitted, Refusal> {
        let BodyKind::Durable(body) = body.0 else {
            return Err(Error::new(
                ErrorKind::FixProgram,
                "tool_read_only",
                format!("`{}` is read-only, and is not executed as an invocation", call.tool),
            )
            .into());
        };
        if self.directory.len() >= self.surroundings.limits.running {
            return Err(Error::new(
                ErrorKind::Retry,
                "busy",
                format!(
                    "{} calls are under way, which is all that this server takes at once; make the call again in a moment",
                    self.surroundings.limits.running
                ),
            )
            .into());
        }
        let now = self.surroundings.clock.now();
        let chance = Arc::clone(&self.surroundings.chance);
        let id = chance.invocation(now, key.as_ref().map(|(row, _)| row.as_slice()));
        let key = key.map(|(row, arguments)| {
            let used = KeyUse { invocation: *id.as_bytes(), arguments };
            (row, used)
        });
        let (coming, admitted) = self.directory.enter_new(id, key.clone());
        let admission = Arc::new(Admission {
            tool: call.tool,
            arguments,
            principal: call.principal,
            origin: call.origin.to_owned(),
            idempotency_key: call.idempotency_key,
            build: self.build.clone(),
            seed: chance.seed_of(id),
            at: now.as_millis(),
        });
        let name = call.name.map(|name| name.of(id));
        let key_row = key.as_ref().map(|(row, _)| row.clone());
        let compensates = self.tools.get(&admission.tool).is_some_and(|registered| registered.definition.compensates);
        let undoing = if compensates { Undo::WhenCancelled } else { Undo::Never };
        let deadline = self.deadline(&admission.tool, admission.at);
        let invocation = Invocation::admit(id, Arc::clone(&self.surroundings), admission, key, name, admitted)
            .with_deadline(deadline)
            .with_key_row(key_row)
            .with_conversation(Arc::clone(&coming.conversation));
        self.execute(id, Some(Run { invocation: Arc::new(invocation), body, undoing }));
        Ok(Submitted { id, source: AnswerSource::Coming(coming) })
    }
}

pub(super) fn decoded<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, Error> {
    codec::decode(bytes).map_err(|error| {
        Error::from(StoreError::unusable("record_unreadable", format!("a record of the store cannot be read: {error}")))
    })
}
