//! The owner's side: it serves the clients of other processes as it serves one over standard input and output.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::service::{ServerInitializeError, ServiceExt};
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::line::{self, CONTROL_BYTES, Hello, Line, Refusal, Said, VERSION};
use super::socket::{self, Socket};
use super::transport::RelayTransport;
use crate::mcp::handler::Handler;
use crate::mcp::server::Server;

/// How long whoever connects may take to say what they want.
const HELLO: Duration = Duration::from_secs(5);
/// How long to wait when the system has no connection to give.
const NO_CONNECTION: Duration = Duration::from_millis(100);

/// The socket of a store that is open, before its server is there: those who connect wait.
pub(in crate::mcp) struct Listener {
    listener: UnixListener,
    socket: Socket,
}

impl Listener {
    /// Listens beside a store that this process has open.
    pub(in crate::mcp) fn bind(store: &Path) -> Option<Self> {
        match Socket::bind(store) {
            Ok((listener, socket)) => Some(Self { listener, socket }),
            Err(error) => {
                let store = store.display();
                tracing::warn!(%error, %store, "no socket can be made beside the store; other processes cannot share it");
                None
            }
        }
    }
}

/// The clients of other processes.
pub(in crate::mcp) struct Relays {
    cut: CancellationToken,
    socket: Option<Socket>,
    /// Names this opening of the store.
    opening: Uuid,
    /// The connections that this server has, and those that it had: their calls may still be on their way.
    known: Mutex<HashSet<Uuid>>,
    listener: Mutex<Option<UnixListener>>,
}

impl Relays {
    pub(in crate::mcp) fn new(listener: Option<Listener>) -> Self {
        let (listener, socket) = listener.map(|Listener { listener, socket }| (listener, socket)).unzip();
        Self {
            cut: CancellationToken::new(),
            socket,
            opening: Uuid::new_v4(),
            known: Mutex::default(),
            listener: Mutex::new(listener),
        }
    }

    /// Begins to serve those who connect.
    pub(in crate::mcp) fn listen(server: &Server) {
        let relays = &server.parts.relays;
        let Some(listener) = relays.listener.lock().take() else { return };
        let (server, cut) = (server.clone(), relays.cut.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = accept(&server, &listener) => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// Lets the relays go to the next owner, without an answer to what is not answered yet. Before the store is closed.
    pub(in crate::mcp) fn close(&self) {
        if self.cut.is_cancelled() {
            return;
        }
        if let Some(socket) = &self.socket {
            socket.remove();
        }
        self.cut.cancel();
    }
}

async fn accept(server: &Server, listener: &UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Err(error) = welcome(server, stream).await {
                        tracing::debug!(%error, "a connection to the store's socket failed");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the store's socket cannot be taken");
                tokio::time::sleep(NO_CONNECTION).await;
            }
        }
    }
}

async fn welcome(server: Server, stream: UnixStream) -> io::Result<()> {
    if !socket::is_same_user(&stream)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    serve_connection(server, stream).await
}

/// Serves one relay, until it ends, or the server stops.
pub(super) async fn serve_connection<S>(server: Server, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let mut read = BufReader::new(read);
    let mut write = Shared(Arc::new(Mutex::new(write)));
    let hello = tokio::time::timeout(HELLO, line::read_line(&mut read, CONTROL_BYTES)).await;
    let hello: Hello = match hello.map_err(io::Error::from)?? {
        Some(Line::Whole(hello)) => line::parsed(&hello)?,
        Some(Line::TooLong(_)) => return Err(io::Error::other("its first line is too long")),
        None => return Ok(()),
    };
    let refused = refusal(&server, &hello);
    let answer = refused.unwrap_or_else(|| Said::Welcome { build: server.parts.version.clone() });
    let is_refused = matches!(answer, Said::Refused { .. });
    write.write_all(&answer.line()).await?;
    if is_refused {
        return write.shutdown().await;
    }
    converse(&server, hello.connection, read, write).await;
    Ok(())
}

fn refusal(server: &Server, hello: &Hello) -> Option<Said> {
    let parts = &server.parts;
    if hello.version != VERSION {
        let why = format!("its server speaks version {VERSION} of the relay, and not {}", hello.version);
        return Some(Said::Refused { code: Refusal::Foreign, why });
    }
    if hello.server != parts.name {
        let why = format!("it is the store of the server `{}`, and not of `{}`", parts.name, hello.server);
        return Some(Said::Refused { code: Refusal::Foreign, why });
    }
    if !parts.relays.known.lock().insert(hello.connection) {
        let why = format!("the connection {} was there before", hello.connection);
        return Some(Said::Refused { code: Refusal::Known, why });
    }
    if hello.build != parts.version {
        tracing::warn!(own = parts.version, other = hello.build, "a server of another version is relayed to this one");
    }
    None
}

async fn converse<R, W>(server: &Server, connection: Uuid, read: R, mut write: Shared<W>)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let relays = &server.parts.relays;
    let id: SessionId = connection.to_string().into();
    let cut = relays.cut.clone();
    let handler = Handler::new(server.clone(), "stdio");
    let deliveries = handler.connection.deliveries.clone();
    let transport = RelayTransport::new(read, write.clone(), id.clone(), relays.opening, deliveries, cut.clone());
    let rows = tokio::spawn(keep_rows(server.clone(), id.clone()));
    let serving = async {
        match handler.serve_with_ct(transport, cut.child_token()).await {
            Ok(running) => {
                let _why = running.waiting().await;
            }
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {}
            Err(error) => {
                let failed = Said::Failed { why: error.to_string() };
                // The relay has gone if it does not hear it.
                let _unheard = write.clone().write_all(&failed.line()).await;
            }
        }
    };
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        () = serving => {}
    }
    // Handlers that have not ended yet keep their end of the connection, and the relay is not to wait for them.
    let _gone = write.shutdown().await;
    rows.abort();
    // An end of the writing of rows comes before what follows.
    let _aborted = rows.await;
    if !cut.is_cancelled()
        && let Err(error) = server.parts.sessions.rows().delete(&id).await
    {
        tracing::warn!(%error, %connection, "what was kept of a connection could not be deleted");
    }
}

/// Keeps the rows of a connection from being swept, for as long as this runs.
async fn keep_rows(server: Server, connection: SessionId) {
    let rows = server.parts.sessions.rows();
    let part = (rows.time_to_live() / 16).max(Duration::from_secs(1));
    let mut written = rows.begin(&connection, String::new(), String::new()).await;
    loop {
        if let Err(error) = written {
            tracing::warn!(%error, connection = &*connection, "the use of a connection could not be written down");
        }
        tokio::time::sleep(part).await;
        written = rows.touch(&connection).await;
    }
}

/// A writer that is also used by whoever ends the connection.
struct Shared<W>(Arc<Mutex<W>>);

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Shared<W> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write(task, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_shutdown(task)
    }
}
