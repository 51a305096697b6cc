//! A relay's connection to an owner.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, ReadHalf};
use tokio::sync::mpsc;

use super::line::{self, CONTROL_BYTES, Hello, Line, Said, VERSION, Word};

/// How long an owner may take until it says whether it takes a connection: it may still be reading its store.
const WELCOME: Duration = Duration::from_secs(60);

/// What both kinds of connection are: a socket, and a pipe within the process that became the owner.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Link {
    read: BufReader<ReadHalf<Box<dyn Stream>>>,
    /// Closed: no more is sent, and the owner is told so.
    lines: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// A line that has not come whole yet.
    partial: Vec<u8>,
}

/// Why there is no connection.
pub(super) enum NoLink {
    /// The owner has gone, or was none.
    Gone,
    /// It says that it takes none.
    Refused(String),
}

impl From<io::Error> for NoLink {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Link {
    /// Begins a connection.
    pub(super) async fn begin(stream: Box<dyn Stream>, hello: &Hello) -> Result<Self, NoLink> {
        let (read, mut write) = tokio::io::split(stream);
        let mut read = BufReader::new(read);
        write.write_all(&line::to_line(hello)).await?;
        let welcome = tokio::time::timeout(WELCOME, line::read_line(&mut read, CONTROL_BYTES)).await;
        let Ok(Some(Line::Whole(welcome))) = welcome.map_err(io::Error::from)? else { return Err(NoLink::Gone) };
        let welcome: Word = line::parsed(&welcome)?;
        match welcome.said {
            Said::Welcome { build } => {
                if build != hello.build {
                    tracing::warn!(
                        own = hello.build,
                        owner = build,
                        "the store's owner is a server of another version"
                    );
                }
            }
            Said::Refused { why, .. } => return Err(NoLink::Refused(why)),
            Said::Failed { .. } => return Err(NoLink::Gone),
        }
        debug_assert_eq!(welcome.version, VERSION, "an owner of another version refuses");
        let (lines, mut to_write) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(line) = to_write.recv().await {
                // The owner has gone, as the reading side finds out too.
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
            let _gone = write.shutdown().await;
        });
        Ok(Self { read, lines: Some(lines), partial: Vec::new() })
    }

    /// Sends a line to the owner, if it is still there.
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Some(lines) = &self.lines {
            let _gone = lines.send(line);
        }
    }

    /// Tells the owner that nothing more comes.
    pub(super) fn finish(&mut self) {
        self.lines = None;
    }

    /// The next line of the owner, without its end; `None` when it has gone. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        use tokio::io::AsyncBufReadExt as _;
        loop {
            let available = self.read.fill_buf().await.ok().filter(|available| !available.is_empty())?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            self.partial.extend_from_slice(part);
            let used = end.map_or(available.len(), |end| end + 1);
            self.read.consume(used);
            if end.is_some() {
                return Some(std::mem::take(&mut self.partial));
            }
        }
    }
}
