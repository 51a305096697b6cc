//! The life of an invocation in this process: run after run, until it ends, is parked, or the server stops.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use std::future::poll_fn;

use serde_json::Value;

use super::admission::Refusal;
use super::answer::Answer;
use super::deadline::Deadline;
use super::driver::{self, End};
use super::interruption::InterruptionSignal;
use super::place::Place;
use super::stored::{Loaded, Stored};
use super::{Engine, Invocation};
use crate::audit::{CallEnd, EndedCall};
use crate::clock::Timestamp;
use crate::context::{DurableContext, ReadContext};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Conclusion;
use crate::principal::Principal;
use crate::store::Batch;
use crate::tool::{BodyKind, Conclude, RegisteredTool};

/// A future that ends with what the tool returned.
pub(super) type ConcludeFuture = Pin<Box<dyn Future<Output = Result<Conclude, serde_json::Error>> + Send>>;

/// A body that has not begun.
pub(super) type Start = Box<dyn FnOnce(DurableContext) -> ConcludeFuture + Send>;

/// A body that is about to be polled for the first time.
pub(super) struct Run {
    pub(super) invocation: Arc<Invocation>,
    pub(super) body: Start,
    pub(super) undoing: Undo,
}

/// An invocation that goes on by itself.
pub(super) struct Resumed {
    pub(super) place: Place,
    /// Its rows, if they have been read.
    pub(super) read: Option<Stored>,
}

/// Whether what a cancelled call did is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// It is not.
    Never,
    /// It would be.
    WhenCancelled,
    /// It is being undone in this run, and nothing interrupts that.
    Now,
}

/// Leaves the directory when it is dropped, if that has not happened.
struct Leaving {
    engine: Arc<Engine>,
    id: Option<InvocationId>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let answer = Answer::Deferred("it was cut off, and goes on when the server starts again".into());
        if let Some(id) = self.id {
            self.engine.directory.leave(id, answer);
        }
    }
}

/// The waits between runs of an invocation that ends uncleanly.
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(30);

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LONGEST);
        wait
    }
}

impl Engine {
    /// Runs an invocation that is in the directory, in a task of its own: `first`, or what the store has of it.
    pub(super) fn execute(self: &Arc<Self>, id: InvocationId, first: Option<Run>) {
        self.spawn(id, first, None);
    }

    /// The same for one that goes on by itself.
    pub(super) fn resume(self: &Arc<Self>, id: InvocationId, resumed: Resumed) {
        self.spawn(id, None, Some(resumed));
    }

    fn spawn(self: &Arc<Self>, id: InvocationId, first: Option<Run>, resumed: Option<Resumed>) {
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            // Whatever becomes of this task, those who wait are answered.
            let mut leaving = Leaving { engine, id: Some(id) };
            match leaving.engine.run_to_the_end(id, first, resumed).await {
                Some(answer) => {
                    leaving.engine.directory.leave(id, answer);
                }
                // It has left already, and may be back.
                None => leaving.id = None,
            }
        });
    }

    /// Gives the answer for all who wait; `None` when nobody does and the invocation has been taken out of memory.
    async fn run_to_the_end(
        &self,
        id: InvocationId,
        mut next: Option<Run>,
        resumed: Option<Resumed>,
    ) -> Option<Answer> {
        let mut goes_on_by_itself = resumed.is_some();
        let (mut place, read) = resumed.map(|resumed| (resumed.place, resumed.read)).unzip();
        let mut read = read.flatten();
        let mut backoff = Backoff(Backoff::FIRST);
        let interruption = self.directory.interruption(id).expect("who runs an invocation has entered it");
        loop {
            let run = if let Some(run) = next.take() {
                run
            } else {
                let loaded = self.load_or_end(id, read.take(), goes_on_by_itself, &interruption).await;
                // When the store has failed, it is still nobody's wish.
                goes_on_by_itself &= loaded.is_err();
                match loaded {
                    Ok(Loaded::Run(run)) => run,
                    Ok(Loaded::Answer(answer)) => return Some(answer),
                    Ok(Loaded::Suspended(until)) if self.leave_suspended(id, until) => return None,
                    Ok(Loaded::Suspended(_)) => continue,
                    Ok(Loaded::Missing) => return Some(Answer::NotAdmitted("it is not in the store".into())),
                    Err(error) if error.kind() == ErrorKind::AskPerson => {
                        tracing::error!(invocation = %id, %error, "an invocation cannot be read");
                        return Some(Answer::Parked { code: "journal_damaged".into(), reason: error.to_string() });
                    }
                    Err(error) => {
                        self.directory.defer(id, Answer::Deferred(error.to_string()));
                        place.iter_mut().for_each(Place::give_way);
                        if self.wait(&mut backoff, None, &interruption).await {
                            continue;
                        }
                        return Some(stopping());
                    }
                }
            };
            let invocation = Arc::clone(&run.invocation);
            let rows_before = invocation.rows();
            let audits = self.tools.audits(&invocation.history().admission().tool);
            let run = driver::run(run, audits, &interruption, &self.stopping, &self.abandoning);
            match Place::during(&mut place, &invocation, run).await {
                End::Ended(ended) => return Some(Answer::Ended(Arc::new(ended))),
                End::Parked { code, reason } => {
                    tracing::warn!(invocation = %id, code, reason, "an invocation is parked");
                    return Some(Answer::Parked { code, reason });
                }
                End::Cancelled => {
                    self.directory.taken_up(id);
                    continue;
                }
                End::Suspended(until) if self.leave_suspended(id, until) => return None,
                End::Suspended(_) => continue,
                End::Stopped if invocation.is_admitted() => return Some(stopping()),
                End::Stopped => return Some(Answer::NotAdmitted("the server is stopping".into())),
                End::Lost => {
                    return Some(Answer::Deferred(
                        "another server has gone on with it, or has used its idempotency key".into(),
                    ));
                }
                End::Waiting(until) => {
                    // There is no body in memory.
                    place = None;
                    tokio::select! {
                        biased;
                        () = self.directory.unwatched(id) => {
                            if self.directory.leave_unwatched(id) {
                                self.timers.set(until, id);
                                return None;
                            }
                        }
                        () = invocation.offered() => {}
                        is_over = self.wait_until(until, &interruption) => {
                            if !is_over {
                                return Some(stopping());
                            }
                        }
                    }
                    // The wait is over, or somebody waits for the invocation again just now.
                    continue;
                }
                End::StoreFailed(error) => {
                    let why = error.to_string();
                    self.directory.defer(
                        id,
                        if invocation.is_admitted() { Answer::Deferred(why) } else { Answer::NotAdmitted(why) },
                    );
                }
                End::Panicked(message) => {
                    tracing::error!(invocation = %id, panic = message, "a tool's body panicked; it is run again");
                    if invocation.rows() > rows_before {
                        backoff = Backoff(Backoff::FIRST);
                    }
                    match self.count_unclean_end(id, &format!("it panics: {message}")).await {
                        Ok(None) => {}
                        Ok(Some(parked)) => return Some(parked),
                        Err(error) => self.directory.defer(id, Answer::Deferred(error.to_string())),
                    }
                }
            }
            place.iter_mut().for_each(Place::give_way);
            if !self.wait(&mut backoff, invocation.deadline(), &interruption).await {
                return Some(stopping());
            }
        }
    }

    /// Takes a suspended invocation out of memory; `false` when somebody waits for it again, or it is interrupted otherwise.
    fn leave_suspended(&self, id: InvocationId, until: Timestamp) -> bool {
        self.directory.suspended(id);
        let has_left = self.directory.leave_unwatched(id);
        if has_left {
            self.timers.set(until, id);
        }
        has_left
    }

    async fn load_or_end(
        &self,
        id: InvocationId,
        mut read: Option<Stored>,
        goes_on_by_itself: bool,
        interruption: &InterruptionSignal,
    ) -> Result<Loaded, Error> {
        if let Some(interruption) = interruption.get() {
            self.unclean_ends.need_not_count(id);
            return self.end_without_body(id, interruption).await;
        }
        // The timer may be one of a wait that was before its client went.
        if goes_on_by_itself && let Some(until) = self.waits_for_client(id, read.as_ref()).await? {
            return Ok(Loaded::Suspended(until));
        }
        self.count_death(id, &mut read).await?;
        self.load_read(id, read).await
    }

    /// Waits before the next run, but not beyond a deadline that is to come, nor after an interruption; `false` when the
    /// server stops meanwhile.
    async fn wait(&self, backoff: &mut Backoff, deadline: Option<Deadline>, interruption: &InterruptionSignal) -> bool {
        let now = self.surroundings.clock.now();
        let until = now.after(backoff.next());
        let deadline = deadline.map(|deadline| deadline.at).filter(|at| *at > now);
        let until = deadline.map_or(until, |at| until.min(at));
        if interruption.get().is_some() {
            // What ends an interrupted invocation has failed, and comes again after the wait.
            return self.wait_for_clock(until).await;
        }
        self.wait_until(until, interruption).await
    }

    async fn wait_until(&self, until: Timestamp, interruption: &InterruptionSignal) -> bool {
        tokio::select! {
            biased;
            is_over = self.wait_for_clock(until) => is_over,
            _ = interruption.arrived() => true,
        }
    }

    async fn wait_for_clock(&self, until: Timestamp) -> bool {
        tokio::select! {
            biased;
            () = self.surroundings.clock.sleep_until(until) => true,
            () = self.stopping.said() => false,
        }
    }

    /// Runs a read-only call, which is no invocation. An audited one is answered when its entries are durable.
    pub(crate) async fn read(
        &self,
        tool: &RegisteredTool,
        arguments: Value,
        principal: Principal,
    ) -> Result<Conclusion, Refusal> {
        let admitted_at = self.surroundings.clock.now();
        let audits = &tool.definition.audits;
        let inputs = if audits.is_empty() { String::new() } else { arguments.to_string() };
        let body = self.tools.prepare(tool, arguments).map_err(Refusal::Arguments)?;
        let BodyKind::ReadOnly(start) = body.0 else {
            return Err(Error::new(
                ErrorKind::FixProgram,
                "tool_not_read_only",
                "a durable tool is executed as an invocation",
            )
            .into());
        };
        let mut body = start(ReadContext::new(Arc::clone(&self.surroundings.store), principal));
        let ended = poll_fn(|task| driver::poll_caught(body.as_mut(), task)).await;
        if !audits.is_empty() {
            let unsendable = ended.as_ref().ok().and_then(|ended| ended.as_ref().err()).map(ToString::to_string);
            let call = EndedCall {
                tool: tool.definition.name,
                invocation: None,
                arguments: &inputs,
                end: match &ended {
                    Ok(Ok(Conclude { conclusion, error_type })) => CallEnd::of(conclusion, error_type.as_deref()),
                    Ok(Err(_)) => CallEnd::Error {
                        kind: "ResultNotRecordable",
                        message: unsendable.as_deref().unwrap_or_default().into(),
                        error: "",
                    },
                    Err(panic) => CallEnd::Error { kind: "Panic", message: panic.as_str().into(), error: "" },
                },
                admitted_at: admitted_at.as_millis(),
                at: self.surroundings.clock.now().as_millis(),
            };
            let mut batch = Batch::default();
            call.put(audits, &self.surroundings.audit_keys, &mut batch);
            self.commit(batch).await?;
        }
        match ended {
            Ok(Ok(Conclude { conclusion, .. })) => Ok(conclusion),
            Ok(Err(error)) => Err(Error::new(
                ErrorKind::FixProgram,
                "result_not_recordable",
                format!("the tool's result does not serialize to JSON: {error}"),
            )
            .into()),
            Err(panic) => {
                let message = format!("the read-only tool panicked: {panic}");
                Err(Error::new(ErrorKind::FixProgram, "tool_panicked", message).into())
            }
        }
    }
}

fn stopping() -> Answer {
    Answer::Deferred("the server is stopping".into())
}
