//! Finding who has the store: this process, or one that can be connected to.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::line::{Hello, VERSION};
use super::link::{Link, NoLink};
use super::owner;
use super::socket;
use crate::error::{Error, ErrorKind};
use crate::mcp::opening::Opening;
use crate::mcp::server::Server;

/// The first and the longest pause between two looks.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];
/// Bytes on their way between a relay and the server in the same process.
const PIPE_BYTES: usize = 64 << 10;

/// Who has the store.
pub(super) enum Found {
    /// This process, since now.
    Own(Server),
    /// Another one.
    Other(Box<Opening>, Link),
}

fn hello(connection: Uuid, server: &str, build: &str) -> Hello {
    Hello { version: VERSION, connection, server: server.to_owned(), build: build.to_owned() }
}

/// Opens the store, or connects to whoever was faster; as long as neither works, again and again, for this time.
pub(super) async fn search(opening: Opening, path: &Path, connection: Uuid, time: Duration) -> Result<Found, Error> {
    let hello = hello(connection, opening.name(), opening.version());
    let deadline = Instant::now() + time;
    let mut pause = PAUSES[0];
    loop {
        let held = match opening.store().await {
            Ok(store) => return Ok(Found::Own(opening.start(store).await?)),
            Err(error) if error.code() == "store_held" => error,
            Err(error) => return Err(error),
        };
        if let Ok(stream) = socket::connect(path).await {
            match Link::begin(Box::new(stream), &hello).await {
                Ok(link) => return Ok(Found::Other(Box::new(opening), link)),
                Err(NoLink::Gone) => {}
                Err(NoLink::Refused(why)) => {
                    let message = format!("{}; it does not take this one's client: {why}", held.message());
                    return Err(Error::new(ErrorKind::AskPerson, "store_held", message));
                }
            }
        }
        if Instant::now() >= deadline {
            return Err(held);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Connects to a server of this process, as if it were another one's.
pub(super) async fn connect_to(server: &Server, connection: Uuid) -> Result<Link, Error> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(owner::serve_connection(server.clone(), theirs));
    let parts = &server.parts;
    Link::begin(Box::new(ours), &hello(connection, &parts.name, &parts.version)).await.map_err(|_| {
        Error::new(ErrorKind::Retry, "server_stopping", "the server is stopping; start it again in a moment")
    })
}
