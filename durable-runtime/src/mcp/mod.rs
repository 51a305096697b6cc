//! The adapter to the Model Context Protocol, over Streamable HTTP and stdio. Only this module names rmcp.

mod builder;
mod dialogue;
mod error;
mod gate;
mod handler;
mod http;
mod idempotency;
mod question;
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
pub use http::Listening;
pub use server::Server;
