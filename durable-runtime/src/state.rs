//! What the tools of a server share: clients of services, pools, settings.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// A tool's parameter that is no argument: what was given to the server with
/// [`ServerBuilder::state`](crate::ServerBuilder::state).
///
/// It is not journaled, and a replay after a restart gets that of the new process. So it is for clients, pools and
/// settings, and not for data that a call depends on.
///
/// ```
/// use durable_runtime::prelude::*;
///
/// struct Bank {
///     url: String,
/// }
///
/// impl Bank {
///     async fn charge(&self, cx: &StepContext, cents: u64) -> Result<String, ToolError> {
///         Ok(format!("{cents} charged at {} under {}", self.url, cx.idempotency_key()))
///     }
/// }
///
/// /// Charges a card.
/// #[durable_tool]
/// async fn charge(cx: &DurableContext, bank: State<Bank>, cents: u64) -> Result<String, ToolError> {
///     #[once(at_most)]
///     let receipt = bank.charge(cx, cents).await?;
///     Ok(receipt)
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Error> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("bank.redb");
/// let server = Server::builder("bank", "1.0.0")
///     .store(path)
///     .state(Bank { url: "https://bank.example".into() })
///     .tool(charge)
///     .open()
///     .await?;
/// # server.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct State<T>(Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A type of state that a tool needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateType {
    id: TypeId,
    name: &'static str,
}

impl StateType {
    pub(crate) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

/// All states of a server, by their types.
#[derive(Default)]
pub struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// Takes in a state; `false` if there is one of its type already.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: T) -> bool {
        self.0.insert(TypeId::of::<T>(), Arc::new(state)).is_none()
    }

    /// Checks that a tool will find what it needs.
    pub(crate) fn check(&self, tool: &str, needed: &[StateType]) -> Result<(), Error> {
        match needed.iter().find(|state| !self.0.contains_key(&state.id)) {
            None => Ok(()),
            Some(missing) => Err(Error::new(
                ErrorKind::FixProgram,
                "state_missing",
                format!(
                    "the tool `{tool}` takes a `State<{}>`, and the server has none; give it one with `.state(..)`",
                    missing.name
                ),
            )),
        }
    }

    /// The state of this type.
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<State<T>> {
        let state = Arc::clone(self.0.get(&TypeId::of::<T>())?);
        state.downcast().ok().map(State)
    }
}

/// The state of a tool's parameter.
#[doc(hidden)]
pub fn state<T: Send + Sync + 'static>(states: &States) -> State<T> {
    states.get().expect("a server is not opened before every tool's states are there")
}
