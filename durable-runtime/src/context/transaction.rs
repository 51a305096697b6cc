//! Transactions in a tool's body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DurableContext;
use crate::engine::TransactionEnd;
use crate::operation::Operation;
use crate::table::Transaction;
use crate::table::operation::OperationName;
use crate::table::transaction::Function;

impl DurableContext {
    /// Runs a function over several tables in one commit, with nothing changed by others between what it reads and what it
    /// writes. With `Ok` all its writes are visible, with `Err` none; either is recorded, and a replay gives it again.
    ///
    /// The function is synchronous and short, for the store's writer runs it, and all other commits wait meanwhile. It is a
    /// `Fn` that owns what it uses, for it may be run again until one run is durable; it has no effects but its tables.
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    ///
    /// const ACCOUNTS: SortedMap<u64> = SortedMap::new("accounts");
    ///
    /// fn move_cents(tx: &mut Transaction<'_>, from: &str, to: &str, cents: u64) -> Result<(), ToolError> {
    ///     let before = tx.get(&ACCOUNTS, from)?.unwrap_or(0);
    ///     let left = before.checked_sub(cents).ok_or_else(|| ToolError::new("insufficient funds"))?;
    ///     let there = tx.get(&ACCOUNTS, to)?.unwrap_or(0);
    ///     tx.insert(&ACCOUNTS, [(from, left), (to, there + cents)])?;
    ///     Ok(())
    /// }
    ///
    /// /// Moves money from one account to another.
    /// #[durable_tool]
    /// async fn transfer(cx: &DurableContext, from: String, to: String, cents: u64) -> Result<(), ToolError> {
    ///     cx.transaction(move |tx| move_cents(tx, &from, &to, cents)).await
    /// }
    /// ```
    ///
    /// In a replay it is found by its number among the body's transactions, or by the name that
    /// [`idempotently`](TransactionOperation::idempotently) gives it.
    ///
    /// # Errors
    ///
    /// The function's own. A store that fails is no value: the invocation then stops and goes on later.
    ///
    /// # Panics
    ///
    /// When the function does; nothing is written then, and the body is run again like one that panics.
    pub fn transaction<T, E, F>(&self, function: F) -> TransactionOperation<'_, T, E>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned,
        F: Fn(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        TransactionOperation {
            state: State::Named { cx: self, alias: String::new(), function: Function::new(function) },
        }
    }

    async fn transact<T, E>(&self, alias: String, function: Function) -> Result<T, E>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
    {
        let operation =
            self.claim(OperationName { name: "transaction".into(), is_alias: !alias.is_empty(), key: alias }).await;
        let text = operation.to_string();
        let result = if let Some(recorded) = self.invocation.history().operation(&operation) {
            recorded.to_vec()
        } else {
            match self.invocation.transact(operation, function).await {
                TransactionEnd::Recorded(result) => result,
                TransactionEnd::Unrecordable { code, reason } => {
                    self.invocation.park(code, format!("nothing of `{text}` is kept, for its result {reason}"));
                    self.invocation.suspend().await
                }
                TransactionEnd::Panicked(panic) => std::panic::resume_unwind(panic),
            }
        };
        match serde_json::from_slice(&result) {
            Ok(result) => result,
            Err(error) => {
                self.invocation.park(
                    "outcome_not_decodable",
                    format!(
                        "what `{text}` gave is not of the type that this build expects: {error}; deploy a type that reads it \
                         (new fields with a serde default)"
                    ),
                );
                self.invocation.suspend().await
            }
        }
    }
}

/// The future of a transaction in a tool's body: a durable operation.
#[must_use = "a transaction does nothing unless it is awaited"]
pub struct TransactionOperation<'a, T, E> {
    state: State<'a, T, E>,
}

enum State<'a, T, E> {
    Named { cx: &'a DurableContext, alias: String, function: Function },
    Running(Operation<'a, Result<T, E>>),
}

impl<T, E> TransactionOperation<'_, T, E> {
    /// Gives the transaction a name, by which a replay finds it. With it, transactions can be added and removed in front
    /// of it between releases.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # const SEEN: SortedMap<u64> = SortedMap::new("seen");
    /// /// Counts a visit.
    /// #[durable_tool]
    /// async fn visit(cx: &DurableContext, page: String) -> Result<u64, ToolError> {
    ///     cx.transaction(move |tx| {
    ///         let visits = tx.get(&SEEN, &page)?.unwrap_or(0) + 1;
    ///         tx.insert(&SEEN, [(page.as_str(), visits)])?;
    ///         Ok::<_, ToolError>(visits)
    ///     })
    ///     .idempotently("count")
    ///     .await
    /// }
    /// ```
    pub fn idempotently(mut self, alias: impl Into<String>) -> Self {
        if let State::Named { alias: given, .. } = &mut self.state {
            *given = alias.into();
        }
        self
    }
}

impl<T, E> fmt::Debug for TransactionOperation<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionOperation").finish_non_exhaustive()
    }
}

impl<'a, T, E> Future for TransactionOperation<'a, T, E>
where
    T: DeserializeOwned + Send + 'a,
    E: DeserializeOwned + Send + 'a,
{
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Named { cx, alias, function } = &mut self.state {
            let (cx, alias, function) = (*cx, std::mem::take(alias), function.clone());
            self.state = State::Running(Operation::new(async move { cx.transact(alias, function).await }));
        }
        let State::Running(running) = &mut self.state else { unreachable!("it has just been begun") };
        Pin::new(running).poll(task)
    }
}
