mod disk;
mod faults;
mod power_loss;
mod program;
mod random;

use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::{Database, TableDefinition};

use super::super::{Batch, Commit, Durable, Group, Keyspace, Read, Scan, Store, StoreError, SyncBackend as _};
use super::{GroupCommit, RedbBackend, RedbOptions, medium};
use crate::error::Error;

fn open(path: &Path) -> Result<GroupCommit<RedbBackend>, StoreError> {
    RedbBackend::open(RedbOptions::new(path))
}

fn refusal(path: &Path) -> Error {
    match open(path) {
        Ok(_) => panic!("`{}` was opened", path.display()),
        Err(error) => error.into(),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.redb");
    let store = open(&path).expect("a new store");
    let mut batch = Batch::default();
    batch.put(Keyspace::Table, *b"k", b"v".to_vec());
    store.commit(batch).await.expect("committed");
    store.close().await;
    let store = open(&path).expect("the store again");
    let value = store.get(Keyspace::Table, b"k".to_vec()).await.expect("read");
    assert_eq!(value, Some(b"v".to_vec()));
}

#[tokio::test]
async fn several_scans_are_answered_in_their_order_each_from_its_own_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("a.redb")).expect("a new store");
    let mut batch = Batch::default();
    for (keyspace, key) in [(Keyspace::Journal, b"a"), (Keyspace::Journal, b"b"), (Keyspace::Table, b"c")] {
        batch.put(keyspace, *key, key.to_vec());
    }
    store.commit(batch).await.expect("committed");
    let scan = |keyspace, descending, limit| Scan {
        keyspace,
        lower: Bound::Unbounded,
        upper: Bound::Unbounded,
        descending,
        limit,
    };
    let scans = vec![
        scan(Keyspace::Journal, false, 9),
        scan(Keyspace::Journal, true, 1),
        scan(Keyspace::Table, false, 9),
        scan(Keyspace::Result, false, 9),
        scan(Keyspace::Journal, false, 1),
    ];
    let answers = store.scan_many(scans).await.expect("read");
    let keys: Vec<Vec<u8>> =
        answers.into_iter().map(|rows| rows.into_iter().flat_map(|(key, _)| key).collect()).collect();
    assert_eq!(keys, [b"ab".to_vec(), b"b".to_vec(), b"c".to_vec(), Vec::new(), b"a".to_vec()]);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notes.txt");
    for text in ["milk", "a longer text that is not a store either, not by any means"] {
        fs::write(&path, text).expect("written");
        assert_eq!(refusal(&path).code(), "store_foreign");
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
}

#[tokio::test]
async fn a_redb_file_of_another_program_is_refused_and_keeps_its_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.redb");
    let table = TableDefinition::<&str, u64>::new("theirs");
    {
        let database = Database::create(&path).expect("their database");
        let transaction = database.begin_write().expect("a transaction");
        transaction.open_table(table).expect("a table").insert("k", 7).expect("a row");
        transaction.commit().expect("committed");
    }
    assert_eq!(refusal(&path).code(), "store_foreign");
    let database = Database::open(&path).expect("their database");
    let transaction = ::redb::ReadableDatabase::begin_read(&database).expect("a transaction");
    assert_eq!(transaction.list_tables().expect("tables").count(), 1);
}

#[tokio::test]
async fn a_newer_format_is_refused_by_its_number() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.redb");
    let store = open(&path).expect("a new store");
    let mut batch = Batch::default();
    batch.put(Keyspace::Meta, *b"format", 4_000_u32.to_be_bytes().to_vec());
    store.commit(batch).await.expect("committed");
    store.close().await;
    let error = refusal(&path);
    assert_eq!(error.code(), "store_format_newer");
    assert!(error.message().contains("format 4000"), "{error}");
}

#[tokio::test]
async fn a_store_in_use_is_refused_and_its_user_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.redb");
    let _store = open(&path).expect("a new store");
    let error = refusal(&path);
    assert_eq!(error.code(), "store_held");
    assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
}

#[tokio::test]
async fn a_missing_directory_and_a_directory_in_place_of_the_file_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(refusal(directory.path()).code(), "store_not_a_file");
    let missing = directory.path().join("missing/a.redb");
    assert_eq!(refusal(&missing).code(), "store_directory_missing");
}

#[tokio::test]
async fn a_damaged_file_is_refused_without_a_panic() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.redb");
    let store = open(&path).expect("a new store");
    store.close().await;
    let sound = fs::read(&path).expect("read");
    let mut damaged = sound.clone();
    for byte in damaged.iter_mut().skip(9) {
        *byte ^= 0xa5;
    }
    fs::write(&path, &damaged).expect("written");
    let _refused = refusal(&path);
    assert_eq!(fs::read(&path).expect("read").len(), sound.len());
    fs::write(&path, &sound[..sound.len() / 3]).expect("written");
    let _refused = refusal(&path);
}

#[tokio::test]
async fn a_file_whose_making_was_cut_off_is_made_anew_and_one_that_only_looks_a_little_like_it_is_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.redb");
    // Its length was on the disk when the power went, and then a part of its header.
    for cut_off in [vec![0; 1 << 20], [vec![0; 9], vec![7; 311], vec![0; 9000]].concat()] {
        fs::write(&path, cut_off).expect("written");
        open(&path).expect("a new store").close().await;
    }
    for other in [vec![0; 8 << 20], [vec![0; 600], vec![7; 1]].concat()] {
        fs::write(&path, &other).expect("written");
        assert_eq!(refusal(&path).code(), "store_foreign");
        assert!(fs::read(&path).expect("read") == other);
    }
}

#[tokio::test]
async fn a_sync_that_failed_is_remembered_by_the_next_process_until_the_file_is_written_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, mark) = (directory.path().join("a.redb"), directory.path().join("a.redb.unsynced"));
    let disk = disk::Disk::failing(
        Some(disk::Fault { call: disk::Call::Sync, first: 4, times: 1, error: std::io::ErrorKind::Other }),
        disk::CACHE_BYTES,
    );
    disk.restart(medium::Unsynced::of(&store));
    let backend = disk.open().expect("a new store");
    let mut batch = Batch::default();
    batch.put(Keyspace::Table, *b"k", b"v".to_vec());
    backend.commit_group(&[&batch]).expect_err("the sync fails");
    drop(backend);
    assert!(mark.exists());
    disk.restart(medium::Unsynced::of(&store));
    let before = disk.events().len();
    let _backend = disk.open().expect("the store");
    let mut written = vec![false; disk.file().len()];
    for event in &disk.events()[before..] {
        match event {
            disk::Event::Write { offset, data } => {
                let begin = usize::try_from(*offset).expect("a small file");
                written[begin..begin + data.len()].fill(true);
            }
            disk::Event::Synced => break,
            _ => {}
        }
    }
    assert!(written.iter().all(|part| *part), "all of the file is written before the first sync");
    assert!(!mark.exists());
}

fn row(value: u8) -> Batch {
    let mut batch = Batch::default();
    batch.put(Keyspace::Table, *b"k", vec![value]);
    batch
}

/// Commits a batch whose sync comes later.
fn commit_unsynced(backend: &RedbBackend, batch: &Batch) {
    let durable = backend.commit_and(&mut Group::of(&[batch]), Some(0)).expect("committed");
    assert_eq!(durable, Durable::WhenSynced);
}

#[test]
fn a_commit_whose_sync_is_put_off_is_read_when_it_is_synced_and_not_before() {
    let disk = disk::Disk::holding(Vec::new());
    let backend = disk.open().expect("a new store");
    let read = || backend.get(Keyspace::Table, b"k").expect("read");
    let syncs = || disk.events().iter().filter(|event| matches!(event, disk::Event::Synced)).count();
    backend.commit_group(&[&row(1)]).expect("committed");
    let before = syncs();
    commit_unsynced(&backend, &row(2));
    assert_eq!((read(), syncs()), (Some(vec![1]), before));
    // What is applied next builds on it.
    let mut guarded = row(3);
    guarded.guard(Keyspace::Table, *b"k", Some(vec![2]));
    backend.sync().expect("synced");
    assert_eq!((read(), syncs()), (Some(vec![2]), before + 1));
    commit_unsynced(&backend, &guarded);
    assert_eq!(read(), Some(vec![2]));
    backend.sync().expect("synced");
    assert_eq!((read(), syncs()), (Some(vec![3]), before + 2));
}

#[test]
fn nothing_is_written_before_the_sync_that_was_put_off() {
    // Without room for what is not written yet, redb writes before the commit.
    for cache_bytes in [disk::CACHE_BYTES, 0] {
        let disk = disk::Disk::failing(None, cache_bytes);
        let backend = disk.open().expect("a new store");
        backend.commit_group(&[&row(1)]).expect("committed");
        let before = disk.events().len();
        commit_unsynced(&backend, &row(2));
        let unsynced = disk.events().len();
        assert!(disk.events()[before..].iter().all(|event| !matches!(event, disk::Event::Synced)));
        // Nobody syncs, and what comes next does it first.
        let mut large = row(3);
        (0..64).for_each(|key| large.put(Keyspace::Table, [key], vec![key; 3000]));
        commit_unsynced(&backend, &large);
        assert!(matches!(disk.events()[unsynced], disk::Event::Synced), "with a cache of {cache_bytes} bytes");
    }
}

#[tokio::test]
async fn a_backup_has_nothing_whose_sync_is_put_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("copy.redb");
    let backend = disk::Disk::holding(Vec::new()).open().expect("a new store");
    backend.commit_group(&[&row(1)]).expect("committed");
    commit_unsynced(&backend, &row(2));
    backend.backup(&copy).expect("a backup");
    let value = open(&copy).expect("a store").get(Keyspace::Table, b"k".to_vec()).await.expect("read");
    assert_eq!(value, Some(vec![1]));
}

#[test]
fn a_sync_that_was_put_off_and_fails_loses_the_commit_and_not_what_was_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let whole = disk::Disk::holding(Vec::new());
    let working = whole.open().expect("a new store");
    working.commit_group(&[&row(1)]).expect("committed");
    let first = whole.count(disk::Call::Sync);
    let fault = disk::Fault { call: disk::Call::Sync, first, times: 1, error: std::io::ErrorKind::Other };
    let disk = disk::Disk::failing(Some(fault), disk::CACHE_BYTES);
    disk.restart(medium::Unsynced::of(&directory.path().join("a.redb")));
    let backend = disk.open().expect("a new store");
    backend.commit_group(&[&row(1)]).expect("committed");
    commit_unsynced(&backend, &row(2));
    backend.sync().expect_err("the sync fails");
    // The file is opened again, and holds one or the other.
    let found = backend.get(Keyspace::Table, b"k").expect("read");
    assert!([Some(vec![1]), Some(vec![2])].contains(&found), "{found:?}");
    commit_unsynced(&backend, &row(3));
    backend.sync().expect("synced");
    assert_eq!(backend.get(Keyspace::Table, b"k").expect("read"), Some(vec![3]));
}

/// Opens the file as it is in the middle of its use, as after a kill, and gives whether it is walked then.
fn is_walked_after_a_kill(path: &Path) -> bool {
    let image = path.with_extension("image");
    fs::copy(path, &image).expect("copied");
    let walked = Arc::new(AtomicBool::new(false));
    let mut builder = Database::builder();
    builder.set_repair_callback({
        let walked = Arc::clone(&walked);
        move |_| walked.store(true, Ordering::SeqCst)
    });
    drop(builder.open(&image).expect("a database"));
    walked.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_file_is_walked_after_a_kill_unless_quick_recovery_is_chosen() {
    let directory = tempfile::tempdir().expect("a directory");
    for quick_recovery in [false, true] {
        let path = directory.path().join(format!("{quick_recovery}.redb"));
        let options = RedbOptions { quick_recovery, ..RedbOptions::new(&path) };
        let store = RedbBackend::open(options).expect("a new store");
        let mut batch = Batch::default();
        batch.put(Keyspace::Table, *b"k", b"v".to_vec());
        store.commit(batch).await.expect("committed");
        assert_eq!(is_walked_after_a_kill(&path), !quick_recovery);
    }
}

#[tokio::test]
async fn a_backup_is_refused_where_a_file_is_and_what_is_left_of_an_earlier_one_is_in_nobodys_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("a.redb")).expect("a new store");
    let taken = directory.path().join("taken.redb");
    fs::write(&taken, "mine").expect("written");
    let refused: Error = store.backup(taken.clone()).await.expect_err("there is a file").into();
    assert_eq!(refused.code(), "backup_exists");
    assert_eq!(fs::read_to_string(&taken).expect("read"), "mine");
    let missing: Error = store.backup(directory.path().join("no/b.redb")).await.expect_err("no directory").into();
    assert_eq!(missing.code(), "store_unavailable");
    fs::write(directory.path().join("b.redb.partial"), "half of one").expect("written");
    store.backup(directory.path().join("b.redb")).await.expect("a backup");
    assert!(!directory.path().join("b.redb.partial").exists());
    open(&directory.path().join("b.redb")).expect("a store");
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_made_anew_while_its_server_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, elsewhere) = (directory.path().join("a.redb"), directory.path().join("moved.redb"));
    let unsynced = medium::Unsynced::of(&path);
    let opener = Box::new(move |options: &RedbOptions| super::open::open(options, &unsynced));
    let mut backend = RedbBackend::open_by(RedbOptions::new(&path), opener).expect("a new store");
    backend.owner = Some(super::OwnerNote::write(&path));
    let mut batch = Batch::default();
    batch.put(Keyspace::Table, *b"k", b"v".to_vec());
    backend.commit_group(&[&batch]).expect("committed");
    fs::rename(&path, &elsewhere).expect("moved");
    // As after a commit that failed.
    *backend.opened.write() = None;
    let gone: Error = backend.get(Keyspace::Table, b"k").expect_err("there is no file").into();
    assert_eq!(gone.code(), "store_unavailable");
    assert!(!path.exists());
    fs::rename(&elsewhere, &path).expect("moved back");
    assert_eq!(backend.get(Keyspace::Table, b"k").expect("the store again"), Some(b"v".to_vec()));
}
