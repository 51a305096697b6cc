//! What the tests of the whole system share: a server process that can be held and killed, and its clients.

mod client;
mod effect;
mod events;
mod fixture;
mod http;
mod line;
mod process;
mod stdio;
mod wait;

pub use client::{Client, Revision, refusal, structured, text};
pub use effect::Effect;
pub use events::{Event, Events};
pub use fixture::Fixture;
pub use http::{HttpClient, Reply};
pub use line::Line;
pub use process::{ServerProcess, allow_many_files};
pub use stdio::StdioClient;
pub use wait::{PATIENCE, answered, eventually};
