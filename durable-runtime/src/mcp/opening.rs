//! What a server is made of before its store is open.

#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

use super::announcement::Changes;
use super::builder::{ServerBuilder, StoreChoice};
#[cfg(unix)]
use super::relay::{Listener, Relays};
use super::round::Rounds;
use super::schema::Contract;
use super::secret::Secret;
use super::server::Server;
use super::session::Sessions;
use super::task::Tasks;
use crate::engine::{Engine, Surroundings};
use crate::error::{Error, ErrorKind};
use crate::store::Store;
use crate::store::redb::{RedbOptions, open_file};
use crate::tool::Registry;

/// A server whose tools have been checked.
pub(super) struct Opening {
    builder: ServerBuilder,
    registry: Registry,
    contract: Contract,
}

impl Opening {
    pub(super) fn new(mut builder: ServerBuilder) -> Result<Self, Error> {
        if let Some(state) = builder.duplicate_state {
            return Err(Error::new(
                ErrorKind::FixProgram,
                "duplicate_state",
                format!("the server was given two states of the type `{state}`; make them two types, or one value"),
            ));
        }
        let registry = Registry::build(std::mem::take(&mut builder.tools), std::mem::take(&mut builder.states))?;
        let contract = Contract::of(&registry)?;
        if let Some(beside) = &builder.beside
            && let Some(twice) = contract.tools.iter().find(|tool| beside.tool(&tool.name).is_some())
        {
            return Err(Error::new(
                ErrorKind::FixProgram,
                "duplicate_tool",
                format!(
                    "the handler beside this server has a tool `{}` too; give one of the two another name",
                    twice.name
                ),
            ));
        }
        Ok(Self { builder, registry, contract })
    }

    /// Opens the store. May be tried again.
    pub(super) async fn store(&self) -> Result<Arc<dyn Store>, Error> {
        match &self.builder.store {
            StoreChoice::Given(store) => Ok(Arc::clone(store)),
            StoreChoice::File(path) => {
                let mut options = RedbOptions::new(path);
                options.cache_bytes = self.builder.cache_bytes.unwrap_or(options.cache_bytes);
                options.quick_recovery = self.builder.quick_recovery;
                Ok(Arc::new(open_file(options).await?))
            }
            StoreChoice::None => Err(Error::new(
                ErrorKind::FixProgram,
                "store_missing",
                "the server has no store; name its file with `.store(\"..\")`",
            )),
        }
    }

    /// Goes on with every call in the store that has not ended.
    pub(super) async fn start(self, store: Arc<dyn Store>) -> Result<Server, Error> {
        // Before the recovery, so that others wait for it in place of looking for an owner.
        #[cfg(unix)]
        let relays = Relays::new(self.path().and_then(Listener::bind));
        let Self { builder, registry, contract } = self;
        let build = format!("{} {}", builder.name, builder.version);
        let (audit_keys, secret) = (builder.chance.generator(), builder.chance.secret());
        let limits = builder.limits.keeping_results_for(builder.task_time_to_live.max(builder.session_time_to_live));
        let surroundings = Surroundings { store, clock: builder.clock, chance: builder.chance, limits, audit_keys };
        let engine = Engine::new(surroundings, registry, build);
        let secret = Secret::of(&*engine.surroundings().store, secret).await?;
        engine.recover().await?;
        let changes = Changes::new();
        let sessions = Sessions::new(Arc::clone(&engine), changes.clone(), builder.session_time_to_live);
        sessions.watch();
        let server = Server::new(super::server::Parts {
            engine,
            sessions,
            #[cfg(unix)]
            relays,
            #[cfg(feature = "http")]
            http: builder.http,
            changes,
            beside: builder.beside,
            rounds: Rounds::new(&secret),
            tasks: Tasks::new(secret, builder.task_time_to_live),
            task_after: builder.task_after,
            contract,
            name: builder.name,
            version: builder.version,
            instructions: builder.instructions,
            grace: builder.grace,
        });
        #[cfg(unix)]
        Relays::listen(&server);
        Ok(server)
    }
}

#[cfg(unix)]
impl Opening {
    /// The store's file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.builder.store {
            StoreChoice::File(path) => Some(path),
            StoreChoice::Given(_) | StoreChoice::None => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.builder.name
    }

    pub(super) fn version(&self) -> &str {
        &self.builder.version
    }

    pub(super) fn grace(&self) -> std::time::Duration {
        self.builder.grace
    }
}
