//! The adapter to the Model Context Protocol, over Streamable HTTP and stdio. Only this module names rmcp.

mod announcement;
mod beside;
mod builder;
mod call;
mod capability;
mod completion;
mod connection;
mod delivery;
mod dialogue;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handler;
#[cfg(feature = "http")]
mod http;
mod idempotency;
mod invoke;
mod opening;
mod outcome;
mod prompt;
mod question;
mod relay;
mod requester;
mod resource;
mod result;
mod round;
mod schema;
mod secret;
mod server;
mod session;
mod signal;
mod stdio;
mod task;

pub use builder::ServerBuilder;
#[cfg(feature = "http")]
pub use http::Listening;
pub use server::Server;
