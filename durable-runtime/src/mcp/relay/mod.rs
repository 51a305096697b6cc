//! Several servers on one store: one process has the file, and serves the clients of the others through a socket beside it.
//!
//! The process that opened the store listens ([`owner`]). Another one with the same store relays its client's messages there
//! ([`client`]), and keeps what it needs to go on with another owner ([`conversation`]). When its owner goes, it opens the store
//! itself, or finds who did. Only where there are Unix sockets.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod conversation;
#[cfg(unix)]
mod line;
#[cfg(unix)]
mod link;
#[cfg(unix)]
mod message;
#[cfg(unix)]
mod owner;
mod request;
#[cfg(unix)]
mod search;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod transport;

#[cfg(unix)]
pub(super) use client::serve;
#[cfg(unix)]
pub(super) use owner::{Listener, Relays};
pub(super) use request::{RelayedRequest, call_lost};
