//! Progress and messages of a tool's body: told once its work so far is durable, and not again by a replay.

use serde::Serialize;

use super::DurableContext;
use crate::engine::Notice;
use crate::journal::codec;
use crate::journal::record::Record;
use crate::notice::{self, LogLevel};
use crate::table::overlay::Overlay;

impl DurableContext {
    /// Tells the client how far the call is: `progress` of `total`, if that is known, in any unit; it must grow from one to the
    /// next, and those that do not are left out. Where the call is a task, the message is the task's status.
    ///
    /// It is told when all that the body has done before is durable, and once: a replay does not tell it again. It joins the
    /// poll's batch. A client that is not connected misses it; inside a long step use
    /// [`StepContext::progress`](crate::StepContext::progress).
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn read(_: &StepContext, page: u32) -> Result<u64, ToolError> { Ok(1) }
    /// /// Reads pages.
    /// #[durable_tool]
    /// async fn read_all(cx: &DurableContext, pages: u32) -> Result<u64, ToolError> {
    ///     let mut words = 0;
    ///     for page in 0..pages {
    ///         #[once(at_least, key = page)]
    ///         let found = read(cx, page).await?;
    ///         words += found;
    ///         cx.progress(f64::from(page + 1), Some(f64::from(pages)), "reading");
    ///     }
    ///     Ok(words)
    /// }
    /// ```
    pub fn progress(&self, progress: f64, total: Option<f64>, message: &str) {
        self.tell("progress", notice::progress(progress, total, message));
    }

    /// Sends the client a message of the tool, if it wants messages of this level: anything that serializes to JSON. When and
    /// how often is as with [`progress`](Self::progress).
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// /// Greets.
    /// #[durable_tool]
    /// async fn greet(cx: &DurableContext, name: String) -> Result<String, ToolError> {
    ///     cx.log(LogLevel::Info, "about to greet");
    ///     Ok(format!("Hello, {name}!"))
    /// }
    /// ```
    pub fn log<T: Serialize + ?Sized>(&self, level: LogLevel, message: &T) {
        self.tell("log", notice::log(level, message));
    }

    /// Ends the connection that the call is answered on, of a client of 2025-11-25 over HTTP, which comes back for the result
    /// by itself: for calls that take so long that a connection would only be in the way. Elsewhere it does nothing.
    pub fn close_stream(&self) {
        self.tell("close_stream", Notice::CloseStream);
    }

    fn tell(&self, name: &'static str, notice: Notice) {
        let Some(operation) = self.invocation.claim_operation(self.identity(name, None)) else { return };
        if self.invocation.history().operation(&operation).is_some() {
            self.invocation.recall_notice(&notice);
            return;
        }
        // What it says is not asked of a replay: the body says it again.
        let record = Record::Operated { operation, result: codec::encode(&()) };
        let ticket = self.invocation.stage(record, Overlay::default());
        self.invocation.tell_after(ticket, notice);
    }
}
