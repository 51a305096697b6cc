//! The contexts of tools: all that a tool's body can do.

mod audit;
mod branch;
mod notice;
mod question;
mod transaction;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bincode::{Decode, Encode};
use serde::de::DeserializeOwned;

use crate::compensation::{self, CancelledStep};
use crate::engine::Invocation;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Outcome, Record};
use crate::principal::Principal;
use crate::store::{Row, Store};
use crate::table::operation::sealed::{Answer, Reads, Writes};
use crate::table::operation::{self, GetRequest, OperationName, ReadRequest, WriteRequest};
use crate::table::overlay::{self, Overlay};
use crate::table::{ReadTables, WriteTables};

pub use self::branch::{Join, Race, TryJoin, branch, enter, start};
pub use self::question::QuestionOperation;
pub use self::transaction::TransactionOperation;

/// The context of a tool's body.
///
/// It is the door to everything durable: steps are begun with it, and tables are read and written with it. What the body
/// does with it is recorded, and a replay gives it the same again. Inside a step it does not work; there the same name
/// stands for the step's own [`StepContext`](crate::StepContext).
pub struct DurableContext {
    invocation: Arc<Invocation>,
    scope: String,
}

impl DurableContext {
    pub(crate) fn new(invocation: Arc<Invocation>) -> Self {
        Self { invocation, scope: String::new() }
    }

    /// The id of this invocation.
    pub fn invocation(&self) -> InvocationId {
        self.invocation.id
    }

    /// Who called: the name of the [`Principal`], empty for the anonymous caller.
    pub fn principal(&self) -> &str {
        &self.invocation.history().admission().principal
    }

    pub(crate) fn invocation_in_memory(&self) -> &Arc<Invocation> {
        &self.invocation
    }

    pub(crate) fn identity(&self, name: impl Into<Cow<'static, str>>, key: Option<String>) -> Identity {
        Identity { scope: self.scope.clone(), name: name.into(), key }
    }

    /// The context of a part of the body that has a scope of its own.
    fn within(&self, part: &Identity) -> Self {
        Self { invocation: Arc::clone(&self.invocation), scope: part.as_scope() }
    }

    /// The context of what undoes the call.
    pub(crate) fn compensating(&self) -> Self {
        let part = self.identity(compensation::SCOPE, None);
        self.within(&part)
    }

    /// What became of a step of the call, for the function under `on_cancel` that undoes it: of a step in the tool's body, by its
    /// name, with its key in brackets if it has one, as `charge[7]`. An at-least-once step that a crash cut off counts as not
    /// begun.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn charge(_: &StepContext, _: &str) -> Result<String, ToolError> { Ok(String::new()) }
    /// # async fn refund(_: &StepContext, _: &str) -> Result<(), ToolError> { Ok(()) }
    /// /// Pays an order.
    /// #[durable_tool(on_cancel = give_back)]
    /// async fn pay(cx: &DurableContext, order: String) -> Result<String, ToolError> {
    ///     #[once(at_most)]
    ///     let receipt = charge(cx, &order).await?;
    ///     Ok(receipt)
    /// }
    ///
    /// #[durable]
    /// async fn give_back(cx: &DurableContext, order: &String) -> Result<(), ToolError> {
    ///     match cx.cancelled_step::<String>("charge") {
    ///         CancelledStep::NotBegun | CancelledStep::Failed => {}
    ///         CancelledStep::Succeeded(_) | CancelledStep::InDoubt => {
    ///             #[once(at_least)]
    ///             refund(cx, order).await?;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn cancelled_step<T: DeserializeOwned>(&self, step: &str) -> CancelledStep<T> {
        let (name, key) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, key)) => (name, Some(key.to_owned())),
            None => (step, None),
        };
        let identity = Identity { scope: String::new(), name: name.to_owned().into(), key };
        let history = self.invocation.history();
        match history.outcome(&identity) {
            None if !history.has_begun(&identity) => CancelledStep::NotBegun,
            None | Some(Outcome::InDoubt(_)) => CancelledStep::InDoubt,
            Some(Outcome::Error(_)) => CancelledStep::Failed,
            Some(Outcome::Value(json)) => match serde_json::from_str(json) {
                Ok(value) => CancelledStep::Succeeded(value),
                Err(error) => {
                    let reason =
                        format!("the outcome of `{identity}` is not of the type that its undoing expects: {error}");
                    self.invocation.park("outcome_not_decodable", reason);
                    CancelledStep::InDoubt
                }
            },
        }
    }

    /// Gives an operation its identity. Does not end when the invocation cannot go on.
    async fn claim(&self, operation: OperationName) -> Identity {
        let identity = self.identity(operation.name, Some(operation.key));
        let claimed = if operation.is_alias {
            self.invocation.claim_alias(identity)
        } else {
            self.invocation.claim_operation(identity)
        };
        match claimed {
            Some(identity) => identity,
            None => self.invocation.suspend().await,
        }
    }

    /// What a read of a table gave, or gives now.
    async fn read_once<T: Encode + Decode<()>>(&self, operation: OperationName, read: impl Future<Output = T>) -> T {
        let operation = self.claim(operation).await;
        if let Some(recorded) = self.invocation.history().operation(&operation) {
            match codec::decode(recorded) {
                Ok(answer) => return answer,
                Err(error) => {
                    self.invocation
                        .park("journal_damaged", format!("what `{operation}` gave is not readable: {error}"));
                    self.invocation.suspend().await;
                }
            }
        }
        let answer = {
            let _running = self.invocation.begin_read();
            read.await
        };
        // It joins the poll's batch: whatever depends on it waits for that one.
        let result = codec::encode(&answer);
        self.invocation.stage(Record::Operated { operation, result }, Overlay::default());
        answer
    }
}

impl fmt::Debug for DurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableContext").field("invocation", &self.invocation.id).finish_non_exhaustive()
    }
}

impl Reads for DurableContext {
    fn read(&self, mut request: ReadRequest) -> Answer<'_, Vec<Row>> {
        let operation = std::mem::take(&mut request.operation);
        Box::pin(async move { Ok(self.read_once(operation, self.invocation.read(request, None)).await) })
    }

    fn get_many(&self, mut request: GetRequest) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        let operation = std::mem::take(&mut request.operation);
        Box::pin(async move { Ok(self.read_once(operation, self.invocation.get_many(request, None)).await) })
    }

    fn count(&self, mut request: ReadRequest) -> Answer<'_, u64> {
        let operation = std::mem::take(&mut request.operation);
        Box::pin(async move { Ok(self.read_once(operation, self.invocation.count(request, None)).await) })
    }
}

impl Writes for DurableContext {
    fn write(&self, request: WriteRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            let operation = self.claim(request.operation).await;
            if self.invocation.history().operation(&operation).is_some() {
                return Ok(());
            }
            let mut writes = Overlay::default();
            for (key, value) in request.rows {
                writes.write(key, value);
            }
            let record = Record::Operated { operation, result: Vec::new() };
            let ticket = self.invocation.stage(record, writes);
            // What the body does next may tell others of the write, so it is visible to them by then.
            self.invocation.durable(ticket).await;
            Ok(())
        })
    }
}

impl ReadTables for DurableContext {}
impl WriteTables for DurableContext {}

/// The context of a tool that is marked `read_only`: it reads tables, and has no way to cause an effect.
///
/// Such a call is not journaled, costs no commit, and is not resumed after a crash.
pub struct ReadContext {
    store: Arc<dyn Store>,
    principal: Principal,
}

impl ReadContext {
    pub(crate) fn new(store: Arc<dyn Store>, principal: Principal) -> Self {
        Self { store, principal }
    }

    /// Who calls: the name of the [`Principal`], empty for the anonymous caller.
    pub fn principal(&self) -> &str {
        self.principal.as_str()
    }
}

impl fmt::Debug for ReadContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadContext").finish_non_exhaustive()
    }
}

impl Reads for ReadContext {
    fn read(&self, request: ReadRequest) -> Answer<'_, Vec<Row>> {
        Box::pin(async move { Ok(operation::answer(&*self.store, request, Overlay::default()).await?) })
    }

    fn get_many(&self, request: GetRequest) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        Box::pin(async move { Ok(overlay::get_many(&*self.store, Overlay::default(), request.keys).await?) })
    }

    fn count(&self, request: ReadRequest) -> Answer<'_, u64> {
        Box::pin(async move { Ok(overlay::count(&*self.store, Overlay::default(), request.scan).await?) })
    }
}

impl ReadTables for ReadContext {}
