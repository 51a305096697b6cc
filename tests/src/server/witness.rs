//! A witness of effects outside the store, and the points at which the tests hold the server.
//!
//! In the witness's directory each attempt that has its effect adds a line to the file `effects`. While there is a file
//! `hold.POINT`, whoever comes to that point says so in a line of the file `reached` and waits until the file is gone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durable_runtime::StepContext;

/// How often a held point looks whether it is still held.
const LOOK: Duration = Duration::from_millis(2);

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

pub(crate) fn install(directory: &Path) -> anyhow::Result<()> {
    DIRECTORY.set(directory.to_owned()).map_err(|_| anyhow::anyhow!("a witness is installed already"))
}

/// The effect of one attempt. It can be held at the points `LABEL.before` and `LABEL.after`.
pub(crate) async fn effect(cx: &StepContext, label: &str) -> std::io::Result<()> {
    held(&format!("{label}.before")).await?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    append("effects", &format!("{} {label} {} {} {at}", cx.tool(), cx.invocation(), cx.attempt()))?;
    held(&format!("{label}.after")).await
}

/// Holds whoever calls it, and no thread.
pub(crate) async fn held(point: &str) -> std::io::Result<()> {
    if let Some(hold) = hold(point)? {
        while hold.exists() {
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Holds whoever calls it, and the thread with it. A tool's body that is held between two of its awaits commits nothing.
pub(crate) fn held_body(point: &str) -> std::io::Result<()> {
    if let Some(hold) = hold(point)? {
        while hold.exists() {
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

fn hold(point: &str) -> std::io::Result<Option<PathBuf>> {
    let hold = path(&format!("hold.{point}"));
    if !hold.exists() {
        return Ok(None);
    }
    append("reached", point)?;
    Ok(Some(hold))
}

fn path(name: &str) -> PathBuf {
    DIRECTORY.get().expect("the witness is installed first").join(name)
}

/// What a line is filled up to. It divides a page: a process that is killed in a write ends between two pages.
const LINE: usize = 256;

/// One write to a file opened for appending, so that lines of concurrent attempts never mix, and none is there in half.
fn append(name: &str, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path(name))?;
    let filled = format!("{line:<width$}\n", width = LINE - 1);
    assert_eq!(filled.len(), LINE, "a line for a witness is too long: {line}");
    file.write_all(filled.as_bytes())
}
