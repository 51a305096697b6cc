//! What the example servers and their clients share: flags, start-up, the witness of effects, and, for the other
//! side, a client that says what it does, running servers, and what their witness wrote.

pub mod bench;
pub mod client;
pub mod effects;
pub mod flags;
pub mod process;
pub mod server;
pub mod witness;
