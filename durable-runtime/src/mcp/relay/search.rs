//! Finding who has the store: this process, or one that can be connected to.

use std::io;
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
        let why = match socket::connect(path).await {
            Ok(stream) => match Link::begin(Box::new(stream), &hello).await {
                Ok(link) => return Ok(Found::Other(Box::new(opening), link)),
                Err(NoLink::Refused(why)) => return Err(not_taken(&held, &why)),
                Err(NoLink::Gone) => "it does not answer".to_owned(),
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(not_taken(&held, &format!("it is another user's ({error})")));
            }
            Err(error) => format!("it does not listen beside the store ({error})"),
        };
        if Instant::now() >= deadline {
            return Err(not_taken(&held, &why));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

fn not_taken(held: &Error, why: &str) -> Error {
    let message = format!("{}; that server does not take this one's client: {why}", held.message());
    Error::new(ErrorKind::AskPerson, "store_held", message)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redb::{RedbOptions, open_file};

    fn opening(name: &str, path: &Path) -> Opening {
        Opening::new(Server::builder(name, "1").store(path)).expect("there is nothing wrong with no tools")
    }

    async fn held(opening: Opening, path: &Path) -> Error {
        match search(opening, path, Uuid::new_v4(), Duration::from_secs(15)).await {
            Ok(_) => panic!("the store is held"),
            Err(error) => error,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_held_by_what_does_not_listen_is_refused_after_a_while() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.redb");
        let store = open_file(RedbOptions::new(&path)).await.expect("a store");
        let begun = Instant::now();
        let error = held(opening("a", &path), &path).await;
        assert_eq!(error.code(), "store_held");
        assert!(error.message().contains("it does not listen beside the store"), "{error}");
        assert!(begun.elapsed() >= Duration::from_secs(15), "it may still be reading its store");
        crate::store::Store::close(&store).await;
    }

    #[tokio::test]
    async fn the_store_of_another_server_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.redb");
        let server = Server::builder("a", "1").store(&path).open().await.expect("a server");
        let error = held(opening("b", &path), &path).await;
        assert_eq!(error.code(), "store_held");
        assert!(error.message().contains("the store of the server `a`, and not of `b`"), "{error}");
        server.shutdown().await;
    }
}
