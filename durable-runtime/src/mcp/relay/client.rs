//! A relay: its client on one side, whoever has the store on the other.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::conversation::{Conversation, Send};
use super::line::{self, CLIENT_BYTES, Line, Said, Word};
use super::link::Link;
use super::search::{self, Found};
use crate::error::{Error, ErrorKind};
use crate::mcp::opening::Opening;
use crate::mcp::server::Server;
use crate::mcp::signal::StopSignal;
use crate::mcp::stdio;

/// How long a start looks for the owner of a store that is held. It may be checking its file.
const START: Duration = Duration::from_secs(15);
/// How long a store may be held, beyond the time that an owner which stops may take, before the client is given up.
const TAKEOVER: Duration = Duration::from_secs(60);
/// How long the owner may go on to answer after the client has sent all.
const LAST_ANSWERS: Duration = Duration::from_secs(6);
/// Lines of the client that wait.
const INBOX: usize = 64;

/// Serves the client on standard input and output, with the store or through whoever has it.
pub(in crate::mcp) async fn serve(opening: Opening, store: &Path) -> Result<(), Error> {
    let connection = Uuid::new_v4();
    match search::search(opening, store, connection, START).await? {
        Found::Own(server) => stdio::serve(&server).await,
        Found::Other(opening, link) => {
            let mut signal = StopSignal::new()?;
            let (input, output) = rmcp::transport::stdio_pipes();
            let mut relay = Relay::new(connection, input, output);
            let served = tokio::select! {
                served = relay.serve(*opening, store, link) => served,
                () = signal.received() => Ok(()),
            };
            relay.end().await;
            served
        }
    }
}

struct Relay {
    connection: Uuid,
    conversation: Conversation,
    input: mpsc::Receiver<Line>,
    /// Lines for the client; closed when it does not read any more.
    output: mpsc::UnboundedSender<Vec<u8>>,
    writing: tokio::task::JoinHandle<()>,
    /// The server, once this process has the store.
    server: Option<Server>,
}

/// What the relay goes on with.
enum Next {
    /// The client has sent all, or does not read any more.
    End,
    /// The owner has gone.
    Lost,
}

impl Relay {
    fn new(
        connection: Uuid,
        input: impl AsyncRead + std::marker::Send + Unpin + 'static,
        mut output: impl AsyncWrite + std::marker::Send + Unpin + 'static,
    ) -> Self {
        let (lines, inbox) = mpsc::channel(INBOX);
        tokio::spawn(async move {
            let mut input = BufReader::new(input);
            while let Ok(Some(line)) = line::read_line(&mut input, CLIENT_BYTES).await {
                if lines.send(line).await.is_err() {
                    return;
                }
            }
        });
        let (outbox, mut to_write) = mpsc::unbounded_channel::<Vec<u8>>();
        let writing = tokio::spawn(async move {
            while let Some(line) = to_write.recv().await {
                if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
                    return;
                }
            }
        });
        let conversation = Conversation::new();
        Self { connection, conversation, input: inbox, output: outbox, writing, server: None }
    }

    async fn serve(&mut self, opening: Opening, store: &Path, link: Link) -> Result<(), Error> {
        let (mut opening, mut link) = (Some(opening), link);
        loop {
            let sent = self.conversation.found();
            self.send(sent, Some(&link));
            match self.relay(&mut link).await? {
                Next::End => {
                    self.last_answers(link).await;
                    return Ok(());
                }
                Next::Lost => {}
            }
            let sent = self.conversation.lost();
            self.send(sent, None);
            let Some(held) = opening.take() else {
                // The server is this process's own, and stops with it.
                return Ok(());
            };
            tracing::info!(store = %store.display(), "the process that had the store has gone; the client goes on with another");
            let time = held.grace() + TAKEOVER;
            let found = match self.search(held, store, time).await {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let sent = self.conversation.failed(&error);
                    self.send(sent, None);
                    return Err(error);
                }
            };
            link = match found {
                Found::Own(server) => {
                    tracing::info!(store = %store.display(), "this process has the store now");
                    let own = search::connect_to(&server, self.connection).await;
                    self.server = Some(server);
                    own?
                }
                Found::Other(back, link) => {
                    opening = Some(*back);
                    link
                }
            };
        }
    }

    /// Relays until one side has gone.
    async fn relay(&mut self, link: &mut Link) -> Result<Next, Error> {
        loop {
            tokio::select! {
                line = self.input.recv() => match line {
                    Some(line) => {
                        let sent = self.heard(&line);
                        self.send(sent, Some(link));
                    }
                    None => return Ok(Next::End),
                },
                line = link.next() => match line {
                    Some(line) => self.pass_on(line)?,
                    None => return Ok(Next::Lost),
                },
                () = self.output.closed() => return Ok(Next::End),
            }
        }
    }

    /// Looks for an owner, and keeps what the client says meanwhile; `None` when the client has gone.
    async fn search(&mut self, opening: Opening, store: &Path, time: Duration) -> Result<Option<Found>, Error> {
        let store = store.to_owned();
        let connection = self.connection;
        // Of its own, so that a server which is being opened is not dropped half open.
        let mut searching = tokio::spawn(async move { search::search(opening, &store, connection, time).await });
        let mut has_ended = false;
        loop {
            tokio::select! {
                found = &mut searching => {
                    let found = found.map_err(|error| {
                        Error::new(ErrorKind::AskPerson, "serving_failed", "opening the store panicked").with_source(error)
                    })??;
                    return Ok(Some(found));
                }
                line = self.input.recv(), if !has_ended => match line {
                    Some(line) => {
                        let sent = self.heard(&line);
                        self.send(sent, None);
                    }
                    None => has_ended = true,
                },
                () = self.output.closed() => {
                    searching.abort();
                    return Ok(None);
                }
            }
        }
    }

    fn heard(&mut self, line: &Line) -> Vec<Send> {
        match line {
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => Vec::new(),
            Line::Whole(line) => self.conversation.client_says(line),
            Line::TooLong(line) => Conversation::too_long(line, CLIENT_BYTES),
        }
    }

    fn send(&self, sent: Vec<Send>, link: Option<&Link>) {
        for sent in sent {
            match (sent, link) {
                // A client that does not read any more is noticed where lines are waited for.
                (Send::ToClient(line), _) => drop(self.output.send(line)),
                (Send::ToOwner(line), Some(link)) => link.send(line),
                (Send::ToOwner(_), None) => unreachable!("without an owner nothing is for it"),
            }
        }
    }

    /// Passes a line of the owner on to the client.
    fn pass_on(&mut self, mut line: Vec<u8>) -> Result<(), Error> {
        if let Ok(Word { said: Said::Failed { why }, .. }) = line::parsed(&line) {
            return Err(stdio::failed(&why));
        }
        if self.conversation.owner_says(&line) {
            line.push(b'\n');
            let _gone = self.output.send(line);
        }
        Ok(())
    }

    /// Passes on what the owner still answers.
    async fn last_answers(&mut self, mut link: Link) {
        link.finish();
        let answering = async {
            while let Some(line) = link.next().await {
                if self.pass_on(line).is_err() {
                    return;
                }
            }
        };
        // What has not been answered then goes on without its client.
        let _ended = tokio::time::timeout(LAST_ANSWERS, answering).await;
    }

    /// Ends: the store is given up, and what was said is written.
    async fn end(self) {
        if let Some(server) = &self.server {
            server.shutdown().await;
        }
        drop(self.output);
        // A client that does not read does not hold up the end.
        let _written = tokio::time::timeout(Duration::from_secs(1), self.writing).await;
    }
}
