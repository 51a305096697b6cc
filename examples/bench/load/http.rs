//! Calls over kept-alive HTTP/1.1 connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use durable_examples::flags::Revision;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Allowance;
use crate::latency::Latencies;
use crate::request::{Requests, is_success};

/// A session's requests have different ids, whichever connection they go over.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    requests: Arc<Requests>,
    /// The head of each call, up to the value of `content-length`.
    head: String,
    buffer: Vec<u8>,
    sent: String,
}

/// Where the parts of a response are in the buffer.
struct Response {
    status: u16,
    session: Option<String>,
    body: String,
}

/// Opens so many connections, and the one session that they share, if the revision has sessions.
pub(crate) async fn connect(url: &str, requests: &Requests, count: u32) -> anyhow::Result<Vec<Connection>> {
    let rest = url.strip_prefix("http://").context("the URL begins with `http://`")?;
    let (authority, path) = rest.split_once('/').context("the URL has a path")?;
    let requests = Arc::new(requests.clone());
    let version = requests.revision.version();
    let common = format!(
        "POST /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: {version}\r\n"
    );
    let mut connections = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to `{authority}`"))?;
        stream.set_nodelay(true)?;
        let (buffer, sent) = (Vec::with_capacity(1 << 14), String::new());
        connections.push(Connection { stream, requests: Arc::clone(&requests), head: String::new(), buffer, sent });
    }
    let own = match requests.revision {
        Revision::July2026 => format!("mcp-method: tools/call\r\nmcp-name: {}\r\n", requests.tool),
        Revision::November2025 => {
            let first = connections.first_mut().context("at least one call is in flight")?;
            let common = format!("{common}content-length: ");
            let begun = first.exchange(&common, &requests.initialize()).await?;
            let session =
                begun.session.with_context(|| format!("no session begins: {} {}", begun.status, begun.body))?;
            let own = format!("mcp-session-id: {session}\r\n");
            let head = common.replace("content-length: ", &format!("{own}content-length: "));
            let accepted = first.exchange(&head, &Requests::initialized()).await?;
            ensure!(accepted.status == 202, "the session does not begin: {} {}", accepted.status, accepted.body);
            own
        }
    };
    for connection in &mut connections {
        connection.head = format!("{common}{own}content-length: ");
    }
    Ok(connections)
}

impl Connection {
    /// Makes one call after the other until no more are allowed.
    pub(crate) async fn drive(&mut self, allowance: &Allowance) -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::default();
        let head = self.head.clone();
        while allowance.allows_one_more() {
            let body = self.requests.call(NEXT_ID.fetch_add(1, Ordering::Relaxed));
            let began = Instant::now();
            let response = self.exchange(&head, &body).await?;
            latencies.note(began.elapsed());
            ensure!(
                response.status == 200 && is_success(&response.body),
                "a call failed: {} {}",
                response.status,
                response.body
            );
        }
        Ok(latencies)
    }

    async fn exchange(&mut self, head: &str, body: &str) -> anyhow::Result<Response> {
        self.sent.clear();
        self.sent.push_str(head);
        self.sent.push_str(&body.len().to_string());
        self.sent.push_str("\r\n\r\n");
        self.sent.push_str(body);
        self.stream.write_all(self.sent.as_bytes()).await.context("cannot write to the server")?;
        self.buffer.clear();
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            self.read_more().await?;
        };
        let head = std::str::from_utf8(&self.buffer[..end]).context("the response's head is no text")?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).context("the response has no status")?;
        let session = header(head, "mcp-session-id").map(str::to_owned);
        let length = header(head, "content-length").map(str::parse::<usize>).transpose()?;
        let is_chunked = header(head, "transfer-encoding").is_some();
        let mut at = end + 4;
        let mut body = Vec::new();
        if is_chunked {
            while let Some(chunk) = self.chunk(&mut at).await? {
                body.extend_from_slice(&self.buffer[chunk]);
            }
        } else {
            let length = length.unwrap_or(0);
            self.read_up_to(at + length).await?;
            body.extend_from_slice(&self.buffer[at..at + length]);
        }
        let body = String::from_utf8(body).context("the response is no text")?;
        Ok(Response { status, session, body })
    }

    /// The next chunk of a body (RFC 9112, section 7.1); `None` after the last one.
    async fn chunk(&mut self, at: &mut usize) -> anyhow::Result<Option<std::ops::Range<usize>>> {
        let line = loop {
            if let Some(line) = find(&self.buffer[*at..], b"\r\n") {
                break *at + line;
            }
            self.read_more().await?;
        };
        let size = std::str::from_utf8(&self.buffer[*at..line])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .with_context(|| format!("`{size}` is no size of a chunk"))?;
        let begin = line + 2;
        self.read_up_to(begin + size + 2).await?;
        *at = begin + size + 2;
        Ok((size > 0).then_some(begin..begin + size))
    }

    async fn read_up_to(&mut self, length: usize) -> anyhow::Result<()> {
        while self.buffer.len() < length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await.context("cannot read from the server")? {
            0 => bail!("the server closed the connection in the middle"),
            _ => Ok(()),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of a header.
fn header<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What a client reads when a server sends these pieces.
    async fn exchanged(pieces: &[&str]) -> Response {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("bound"));
        let requests = Requests::new(Revision::July2026, "read_only");
        let mut connections = connect(&url, &requests, 1).await.expect("connected");
        let (mut server, _) = listener.accept().await.expect("accepted");
        server.set_nodelay(true).expect("an option of TCP");
        let sending = async {
            for piece in pieces {
                server.write_all(piece.as_bytes()).await.expect("sent");
                tokio::task::yield_now().await;
            }
        };
        let (response, ()) =
            tokio::join!(connections[0].exchange("POST / HTTP/1.1\r\ncontent-length: ", "{}"), sending);
        response.expect("a whole response")
    }

    #[tokio::test]
    async fn body_of_stated_length_is_read_to_its_end() {
        let response = exchanged(&["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 4\r\n\r\nab", "cd"]).await;
        assert_eq!((response.status, response.body.as_str()), (200, "abcd"));
    }

    #[tokio::test]
    async fn chunks_are_joined_however_they_arrive() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nmcp-session-id: s\r\n\r\n";
        let response = exchanged(&[head, "3\r\nab", "c\r\n2;x=y\r\nde\r", "\n0\r\n", "\r\n"]).await;
        assert_eq!((response.session.as_deref(), response.body.as_str()), (Some("s"), "abcde"));
    }
}
