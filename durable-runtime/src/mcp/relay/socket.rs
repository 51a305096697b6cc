//! Where the owner of a store is found.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

/// The beginning of the name of a directory for a socket that cannot be beside its store.
const DIRECTORY: &str = "durable-";

/// The socket of an owner. It is beside the store; where its path would be too long for the system, or no socket can be made
/// there, it is in a private directory, and a symbolic link beside the store names it.
#[derive(Debug)]
pub(super) struct Socket {
    beside: PathBuf,
}

impl Socket {
    /// Makes the socket in place of one that an earlier owner left. Only whoever has the store open may do so.
    pub(super) fn bind(store: &Path) -> io::Result<(UnixListener, Self)> {
        let socket = Self { beside: beside(store) };
        socket.remove();
        let listener = bind_at(&socket.beside).or_else(|_| {
            let directory = std::env::temp_dir().join(format!("{DIRECTORY}{:016x}", Uuid::new_v4().as_u64_pair().0));
            fs::DirBuilder::new().mode(0o700).create(&directory)?;
            let path = directory.join("socket");
            let listener = bind_at(&path)?;
            symlink(&path, &socket.beside).inspect_err(|_| remove_elsewhere(&path))?;
            Ok::<_, io::Error>(listener)
        })?;
        Ok((listener, socket))
    }

    /// Removes it; whoever looks for the owner then waits for the next one.
    pub(super) fn remove(&self) {
        let Ok(found) = fs::symlink_metadata(&self.beside) else { return };
        if let Ok(path) = fs::read_link(&self.beside) {
            remove_elsewhere(&path);
        }
        // What is neither is not ours.
        if found.file_type().is_socket() || found.file_type().is_symlink() {
            // If it stays, nobody else can be served, and the next owner says so.
            let _absent = fs::remove_file(&self.beside);
        }
    }
}

/// Connects to the owner of a store.
pub(super) async fn connect(store: &Path) -> io::Result<UnixStream> {
    let beside = beside(store);
    let path = fs::read_link(&beside).unwrap_or(beside);
    let stream = UnixStream::connect(path).await?;
    if !is_same_user(&stream)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the socket of the store is another user's"));
    }
    Ok(stream)
}

/// Whether the process at the other end is of the user of this one.
pub(super) fn is_same_user(stream: &UnixStream) -> io::Result<bool> {
    let (own, _) = UnixStream::pair()?;
    Ok(stream.peer_cred()?.uid() == own.peer_cred()?.uid())
}

fn beside(store: &Path) -> PathBuf {
    // Two names of one file have one socket.
    let mut name = OsString::from(fs::canonicalize(store).unwrap_or_else(|_| store.to_owned()));
    name.push(".sock");
    PathBuf::from(name)
}

fn bind_at(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Removes a socket in a directory of its own.
fn remove_elsewhere(path: &Path) {
    let Some(directory) = path.parent() else { return };
    let is_ours = directory.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(DIRECTORY.as_bytes()));
    if is_ours && fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        let _absent = fs::remove_file(path);
        let _not_empty = fs::remove_dir(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_reached(store: &Path, listener: &UnixListener) {
        let (connected, accepted) = tokio::join!(connect(store), listener.accept());
        connected.expect("the owner is found");
        assert!(is_same_user(&accepted.expect("a connection").0).expect("it has a user"));
    }

    #[tokio::test]
    async fn an_owner_is_found_beside_its_store_by_every_name_of_it_and_a_dead_one_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory.path().join("a.redb");
        fs::write(&store, "").expect("a file");
        let other = directory.path().join("b.redb");
        symlink(&store, &other).expect("a link");
        // It is left as a process leaves it that is killed.
        drop(Socket::bind(&store).expect("a socket"));
        connect(&store).await.expect_err("nobody listens");
        let (listener, socket) = Socket::bind(&store).expect("a socket in its place");
        is_reached(&store, &listener).await;
        is_reached(&other, &listener).await;
        let mode = fs::metadata(directory.path().join("a.redb.sock")).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        socket.remove();
        assert_eq!(connect(&store).await.expect_err("it is removed").kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_store_with_a_long_path_has_its_socket_elsewhere() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("d".repeat(120));
        fs::create_dir(&directory).expect("a directory");
        let store = directory.join("a.redb");
        drop(Socket::bind(&store).expect("a socket"));
        let first = fs::read_link(beside(&store)).expect("a link");
        let (listener, socket) = Socket::bind(&store).expect("a socket in its place");
        assert!(!first.exists() && !first.parent().expect("a directory").exists(), "the dead one is left");
        is_reached(&store, &listener).await;
        let second = fs::read_link(beside(&store)).expect("a link");
        socket.remove();
        assert!(!second.exists() && fs::symlink_metadata(beside(&store)).is_err());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory.path().join("a.redb");
        let taken = beside(&store);
        fs::write(&taken, "mine").expect("a file");
        Socket::bind(&store).expect_err("no place for a socket");
        assert_eq!(fs::read(&taken).expect("the file"), b"mine");
    }
}
