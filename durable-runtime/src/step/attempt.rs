//! One attempt of a step: its context, and the future that makes it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use super::bound::StepResult;
use crate::audit::ExplicitEntry;
use crate::engine::Invocation;
use crate::error::StepTimedOut;
use crate::id::InvocationId;
use crate::journal::identity::Identity;
use crate::notice::{self, LogLevel};
use crate::operation::Operation;
use crate::store::Row;
use crate::table::operation::sealed::{Answer, Reads, Writes};
use crate::table::operation::{GetRequest, ReadRequest, WriteRequest};
use crate::table::overlay::Overlay;
use crate::table::{ReadTables, TableOperation, WriteTables};

/// The context inside a step: of one attempt.
///
/// Inside a marked expression the name of the tool's context names this one. Tables that are written with it join the
/// step's commit.
///
/// ```
/// use durable_runtime::prelude::*;
///
/// /// Asks a service, which sees the same key however often it is asked.
/// async fn charge(cx: &StepContext, cents: u32) -> Result<String, ToolError> {
///     tracing::info!(attempt = cx.attempt(), "charging {cents}");
///     Ok(format!("receipt for {}", cx.idempotency_key()))
/// }
/// ```
pub struct StepContext {
    invocation: Arc<Invocation>,
    identity: Arc<Identity>,
    attempt: u32,
    timeout: Option<Duration>,
    writes: Mutex<Overlay>,
}

impl StepContext {
    pub(super) fn new(
        invocation: Arc<Invocation>,
        identity: Arc<Identity>,
        attempt: u32,
        timeout: Option<Duration>,
    ) -> Self {
        Self { invocation, identity, attempt, timeout, writes: Mutex::default() }
    }

    /// The number of this attempt, from 1.
    ///
    /// Failed attempts are counted durably. An at-least-once attempt that a crash cut off is not: the one that is made in
    /// its place has the same number.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A UUID that is the same at every attempt of this step and after every crash, and no other step has: the key to give
    /// to an outside system, so that it can tell a repetition.
    pub fn idempotency_key(&self) -> Uuid {
        Uuid::new_v5(&self.invocation.id.as_uuid(), self.identity.to_string().as_bytes())
    }

    /// The name of the tool.
    pub fn tool(&self) -> &str {
        &self.invocation.history().admission().tool
    }

    /// Who called the tool: the name of the [`Principal`](crate::Principal), empty for the anonymous caller.
    pub fn principal(&self) -> &str {
        &self.invocation.history().admission().principal
    }

    /// The name of the step, without its scope and key.
    pub fn step(&self) -> &str {
        &self.identity.name
    }

    /// The invocation that the step belongs to.
    pub fn invocation(&self) -> InvocationId {
        self.invocation.id
    }

    /// Makes an entry in an audit log, as [`DurableContext::audit`](crate::DurableContext::audit) does. It joins the step's
    /// commit: an attempt that fails leaves none.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn audit<T: Serialize + ?Sized>(&self, log: &str, entry: &T) -> TableOperation<'_, ()> {
        let entry = ExplicitEntry::read(log, entry);
        Operation::new(async move {
            let (key, value) = entry?.into_row(&self.invocation);
            self.writes.lock().write(key, Some(value));
            Ok(())
        })
    }

    /// Tells the client how far the call is, as [`DurableContext::progress`](crate::DurableContext::progress) does, but at once
    /// and in every attempt.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: &str) {
        self.invocation.tell(notice::progress(progress, total, message));
    }

    /// Sends the client a message of the tool, as [`DurableContext::log`](crate::DurableContext::log) does, but at once and in
    /// every attempt.
    pub fn log<T: Serialize + ?Sized>(&self, level: LogLevel, message: &T) {
        self.invocation.tell(notice::log(level, message));
    }

    pub(super) fn take_writes(&self) -> Overlay {
        std::mem::take(&mut self.writes.lock())
    }
}

impl fmt::Debug for StepContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext")
            .field("invocation", &self.invocation.id)
            .field("step", &format_args!("{}", self.identity))
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl Reads for StepContext {
    fn read(&self, request: ReadRequest) -> Answer<'_, Vec<Row>> {
        Box::pin(async move {
            let own = self.writes.lock().within(&request.scan);
            Ok(self.invocation.read(request, Some(own)).await)
        })
    }

    fn get_many(&self, request: GetRequest) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            let own = self.writes.lock().of(&request.keys);
            Ok(self.invocation.get_many(request, Some(own)).await)
        })
    }

    fn count(&self, request: ReadRequest) -> Answer<'_, u64> {
        Box::pin(async move {
            let own = self.writes.lock().within(&request.scan);
            Ok(self.invocation.count(request, Some(own)).await)
        })
    }
}

impl Writes for StepContext {
    fn write(&self, request: WriteRequest) -> Answer<'_, ()> {
        let mut writes = self.writes.lock();
        for (key, value) in request.rows {
            writes.write(key, value);
        }
        Box::pin(async { Ok(()) })
    }
}

impl ReadTables for StepContext {}
impl WriteTables for StepContext {}

/// What a step does next.
pub enum Next<R> {
    /// Make this attempt.
    Attempt(StepContext),
    /// Go on with this outcome.
    Outcome(R),
}

/// How an attempt ended.
pub enum AttemptEnd<R> {
    /// It returned.
    Returned(R),
    /// It was dropped, because it ran longer than the step's timeout.
    TimedOut(StepTimedOut),
}

/// Makes an attempt. The function is a `Fn`, for it may be run again: it reads what it captures, and does not change or
/// consume it.
pub async fn attempt<F, Fut, R>(cx: &StepContext, function: F) -> AttemptEnd<R>
where
    F: Fn() -> Fut,
    Fut: Future<Output = R>,
    R: StepResult,
{
    let _running = cx.invocation.begin_attempt();
    let attempt = Guarded {
        invocation: &cx.invocation,
        attempt: std::pin::pin!(async {
            // Called in here, so that what the expression does before its first await counts as part of the attempt too.
            function().await
        }),
    };
    let Some(limit) = cx.timeout else {
        return AttemptEnd::Returned(attempt.await);
    };
    let deadline = cx.invocation.now().after(limit);
    tokio::select! {
        biased;
        result = attempt => AttemptEnd::Returned(result),
        () = cx.invocation.surroundings.clock.sleep_until(deadline) => AttemptEnd::TimedOut(StepTimedOut::new(
            cx.identity.to_string(),
            cx.attempt,
            u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        )),
    }
}

/// An attempt that says so while it is polled.
struct Guarded<'a, Fut> {
    invocation: &'a Invocation,
    attempt: Pin<&'a mut Fut>,
}

impl<Fut: Future> Future for Guarded<'_, Fut> {
    type Output = Fut::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        struct Polled<'a>(&'a Invocation);
        impl Drop for Polled<'_> {
            fn drop(&mut self) {
                self.0.set_in_attempt(false);
            }
        }
        let invocation = self.invocation;
        invocation.set_in_attempt(true);
        let _polled = Polled(invocation);
        self.attempt.as_mut().poll(cx)
    }
}
