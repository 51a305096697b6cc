//! Sessions and their streams in the store.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ProgressToken, RequestId};
use rmcp::transport::streamable_http_server::session::SessionId;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::engine::{Name, Surroundings};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Session, Stream};
use crate::store::{Batch, CommitError, Keyspace, Scan, Write};

/// Rows deleted in one commit, so that cleaning up does not hold up calls.
pub(super) const PIECE: usize = 100;

/// The rows of sessions and streams.
#[derive(Clone)]
pub(in crate::mcp) struct Rows {
    pub(super) surroundings: Arc<Surroundings>,
    /// How long a session is kept that nobody uses.
    pub(super) time_to_live: Duration,
}

/// A stream of a call, as the store has it.
pub(in crate::mcp) struct NamedStream {
    pub(in crate::mcp) invocation: InvocationId,
    pub(super) request: RequestId,
    pub(super) progress: Option<ProgressToken>,
}

/// The row that names the stream of a call, for its admission.
pub(in crate::mcp) fn stream_name(
    session: &SessionId,
    stream: Uuid,
    request: &RequestId,
    progress: Option<&ProgressToken>,
    now: Timestamp,
) -> Name {
    let key = stream_key(session, stream);
    let request = serde_json::to_string(request).unwrap_or_else(|_| "null".to_owned());
    let progress = progress.and_then(|token| serde_json::to_string(token).ok());
    Name::new(move |invocation: InvocationId| {
        let row = Stream {
            invocation: *invocation.as_bytes(),
            request: request.clone(),
            progress: progress.clone(),
            at: now.as_millis(),
        };
        Write { keyspace: Keyspace::Stream, key: key.clone(), value: Some(codec::encode(&row)) }
    })
}

fn stream_key(session: &str, stream: Uuid) -> Vec<u8> {
    let mut key = session.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(stream.as_bytes());
    key
}

impl Rows {
    pub(super) fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// How long a session is kept that nobody uses.
    #[cfg(unix)]
    pub(in crate::mcp) fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    /// The session of this id, unless its time is over.
    pub(super) async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        let Some(bytes) = self.surroundings.store.get(Keyspace::Session, id.as_bytes().to_vec()).await? else {
            return Ok(None);
        };
        let session: Session = decode(&bytes)?;
        Ok(Some(session).filter(|session| !self.is_over(session)))
    }

    pub(in crate::mcp) async fn begin(&self, id: &str, initialize: String, principal: String) -> Result<(), Error> {
        let now = self.now().as_millis();
        let session = Session { principal, initialize, at: now, used_at: now };
        let mut batch = Batch::default();
        batch.put(Keyspace::Session, id.as_bytes().to_vec(), codec::encode(&session));
        self.commit(batch).await
    }

    /// Writes down that the session is in use.
    pub(in crate::mcp) async fn touch(&self, id: &str) -> Result<(), Error> {
        let key = id.as_bytes().to_vec();
        let Some(bytes) = self.surroundings.store.get(Keyspace::Session, key.clone()).await? else { return Ok(()) };
        let mut session: Session = decode(&bytes)?;
        session.used_at = self.now().as_millis();
        let mut batch = Batch::default();
        batch.guard(Keyspace::Session, key.clone(), Some(bytes));
        batch.put(Keyspace::Session, key, codec::encode(&session));
        self.commit(batch).await
    }

    pub(in crate::mcp) async fn stream(&self, session: &str, stream: Uuid) -> Result<Option<NamedStream>, Error> {
        let row = self.surroundings.store.get(Keyspace::Stream, stream_key(session, stream)).await?;
        row.map(|bytes| named(&bytes)).transpose()
    }

    /// The invocation of a request that was made in this session, perhaps to an earlier process.
    pub(super) async fn invocation(&self, session: &str, request: &RequestId) -> Result<Option<InvocationId>, Error> {
        let mut lower = Bound::Included(stream_key(session, Uuid::nil()));
        loop {
            let page = self.surroundings.store.scan(streams_of(session, lower)).await?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            lower = Bound::Excluded(last.clone());
            for (_, bytes) in page {
                let stream = named(&bytes)?;
                if stream.request == *request {
                    return Ok(Some(stream.invocation));
                }
            }
        }
    }

    /// Whether a call of this invocation was made in this session.
    pub(super) async fn has_called(&self, session: &str, invocation: InvocationId) -> Result<bool, Error> {
        let mut lower = Bound::Included(stream_key(session, Uuid::nil()));
        loop {
            let page = self.surroundings.store.scan(streams_of(session, lower)).await?;
            let Some((last, _)) = page.last() else { return Ok(false) };
            lower = Bound::Excluded(last.clone());
            for (_, bytes) in page {
                if named(&bytes)?.invocation == invocation {
                    return Ok(true);
                }
            }
        }
    }

    /// Deletes a session, its streams, and what its client wants to be told.
    pub(in crate::mcp) async fn delete(&self, id: &str) -> Result<(), Error> {
        self.forget_wishes(id).await?;
        let mut batch = Batch::default();
        batch.delete(Keyspace::Session, id.as_bytes().to_vec());
        loop {
            let page =
                self.surroundings.store.scan(streams_of(id, Bound::Included(stream_key(id, Uuid::nil())))).await?;
            let is_last = page.len() < PIECE;
            for (key, _) in page {
                batch.delete(Keyspace::Stream, key);
            }
            self.commit(std::mem::take(&mut batch)).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Deletes the sessions whose time is over.
    pub(super) async fn sweep(&self) -> Result<(), Error> {
        let mut lower = Bound::Unbounded;
        loop {
            let page = self
                .surroundings
                .store
                .scan(Scan {
                    keyspace: Keyspace::Session,
                    lower,
                    upper: Bound::Unbounded,
                    descending: false,
                    limit: PIECE,
                })
                .await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            lower = Bound::Excluded(last.clone());
            for (key, bytes) in page {
                if self.is_over(&decode(&bytes)?)
                    && let Ok(id) = String::from_utf8(key)
                {
                    self.delete(&id).await?;
                }
            }
        }
    }

    fn is_over(&self, session: &Session) -> bool {
        Timestamp::from_millis(session.used_at).after(self.time_to_live) <= self.now()
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        match self.surroundings.store.commit(batch).await {
            // What the guard protects was changed or deleted meanwhile, which is as well.
            Ok(()) | Err(CommitError::GuardFailed(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}

fn streams_of(session: &str, lower: Bound<Vec<u8>>) -> Scan {
    let upper = Bound::Included(stream_key(session, Uuid::max()));
    Scan { keyspace: Keyspace::Stream, lower, upper, descending: false, limit: PIECE }
}

fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, Error> {
    codec::decode(bytes).map_err(|error| {
        Error::new(ErrorKind::AskPerson, "record_unreadable", format!("a row of a session cannot be read: {error}"))
    })
}

fn named(bytes: &[u8]) -> Result<NamedStream, Error> {
    let stream: Stream = decode(bytes)?;
    let request = serde_json::from_str(&stream.request).map_err(|error| {
        Error::new(ErrorKind::AskPerson, "record_unreadable", format!("a stream has no request id: {error}"))
    })?;
    // A token that is not read is one that nothing is told under.
    let progress = stream.progress.and_then(|token| serde_json::from_str(&token).ok());
    Ok(NamedStream { invocation: InvocationId::from_bytes(stream.invocation), request, progress })
}
