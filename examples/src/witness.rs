//! A witness of effects outside the store: a file to which each attempt appends one line.
//!
//! The store cannot testify for itself. What the file says after a crash is what really happened, and how often.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    sync::OnceLock,
    time::Duration,
};

use anyhow::Context as _;
use durable_runtime::prelude::StepContext;

use crate::flags::ServerFlags;

/// The log message with which each attempt begins.
///
/// An attempt begins after everything before it is durable, so whoever reads this line knows that the steps before it
/// have their outcomes in the store.
pub const ATTEMPT_BEGINS: &str = "attempt begins";

struct Witness {
    effects: Option<File>,
    slow: Duration,
}

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// Opens the effects file that the flags name.
///
/// # Errors
///
/// When it cannot be opened for appending, or when a witness is installed already.
pub fn install(flags: &ServerFlags) -> anyhow::Result<()> {
    let effects = flags
        .effects
        .as_ref()
        .map(|path| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("cannot open the effects file `{}`", path.display()))
        })
        .transpose()?;
    let witness = Witness { effects, slow: Duration::from_millis(flags.slow) };
    WITNESS.set(witness).map_err(|_| anyhow::anyhow!("a witness is installed already"))
}

/// Runs the effect of one attempt: waits if the server is to be slow, testifies, runs it, waits again.
pub async fn effect<T>(cx: &StepContext, effect: impl Future<Output = T>) -> T {
    tracing::info!(
        tool = cx.tool(),
        step = cx.step(),
        invocation = %cx.invocation(),
        attempt = cx.attempt(),
        "{ATTEMPT_BEGINS}"
    );
    let Some(witness) = WITNESS.get() else {
        return effect.await;
    };
    witness.pause().await;
    witness.testify(cx);
    let result = effect.await;
    witness.pause().await;
    result
}

impl Witness {
    async fn pause(&self) {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
    }

    fn testify(&self, cx: &StepContext) {
        let Some(mut effects) = self.effects.as_ref() else {
            return;
        };
        let line = format!("{} {} {} {}\n", cx.tool(), cx.step(), cx.invocation(), cx.attempt());
        // One write to a file opened for appending, so that lines of concurrent attempts never mix.
        if let Err(error) = effects.write_all(line.as_bytes()) {
            tracing::error!(%error, line = line.trim_end(), "the effects file cannot be written");
        }
    }
}
