//! What the client of a session wants to be told, beside the answers to its requests. It outlives the process.

use std::ops::Bound;

use super::row::{PIECE, Rows};
use crate::error::Error;
use crate::notice::LogLevel;
use crate::store::{Batch, Keyspace, Scan};

/// A wish of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Messages of tools from this level on.
    Level(LogLevel),
    /// What is new in the resource of this URI.
    Resource(String),
}

impl Wish {
    fn row(&self, session: &str) -> (Vec<u8>, Vec<u8>) {
        let mut key = session.as_bytes().to_vec();
        match self {
            Self::Level(level) => {
                key.extend_from_slice(b"\0level");
                (key, level.as_str().into())
            }
            Self::Resource(uri) => {
                key.extend_from_slice(b"\0resource ");
                key.extend_from_slice(uri.as_bytes());
                (key, Vec::new())
            }
        }
    }

    /// The wish of a row, without its session; `None` for one that this release does not know.
    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        if key == b"level" {
            return LogLevel::ALL.into_iter().find(|level| level.as_str().as_bytes() == value).map(Self::Level);
        }
        let uri = key.strip_prefix(b"resource ")?;
        String::from_utf8(uri.to_vec()).ok().map(Self::Resource)
    }
}

fn wishes_of(session: &str, lower: Option<Vec<u8>>) -> Scan {
    let bound = |end: u8| [session.as_bytes(), &[end]].concat();
    Scan {
        keyspace: Keyspace::SessionWish,
        lower: lower.map_or_else(|| Bound::Included(bound(0)), Bound::Excluded),
        upper: Bound::Excluded(bound(1)),
        descending: false,
        limit: PIECE,
    }
}

impl Rows {
    /// Writes a wish down. The client is answered when it is durable.
    pub(super) async fn wish(&self, session: &str, wish: &Wish) -> Result<(), Error> {
        let (key, value) = wish.row(session);
        let mut batch = Batch::default();
        batch.put(Keyspace::SessionWish, key, value);
        self.commit(batch).await
    }

    pub(super) async fn no_longer_wish(&self, session: &str, wish: &Wish) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.delete(Keyspace::SessionWish, wish.row(session).0);
        self.commit(batch).await
    }

    /// All wishes of a session.
    pub(super) async fn wishes(&self, session: &str) -> Result<Vec<Wish>, Error> {
        let (mut wishes, mut last) = (Vec::new(), None);
        loop {
            let page = self.surroundings.store.scan(wishes_of(session, last)).await?;
            let is_last = page.len() < PIECE;
            last = page.last().map(|(key, _)| key.clone());
            wishes.extend(page.iter().filter_map(|(key, value)| Wish::read(&key[session.len() + 1..], value)));
            if is_last {
                return Ok(wishes);
            }
        }
    }

    /// Deletes the wishes of a session.
    pub(super) async fn forget_wishes(&self, session: &str) -> Result<(), Error> {
        loop {
            let page = self.surroundings.store.scan(wishes_of(session, None)).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for (key, _) in page {
                batch.delete(Keyspace::SessionWish, key);
            }
            self.commit(batch).await?;
        }
    }
}
