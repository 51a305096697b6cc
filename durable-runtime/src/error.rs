//! The errors that the framework gives, and the ready-made error of tools and steps.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What whoever meets an [`Error`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Do the same again later: nothing is lost, and nothing has to change.
    Retry,
    /// Change the call: its arguments, its key, its size.
    FixCall,
    /// Change the program: a name, a type, a use of the framework that cannot work.
    FixProgram,
    /// Deploy code that fits the journal again.
    Redeploy,
    /// A person must decide: about a file, a process, an effect in doubt.
    AskPerson,
}

/// An error of the framework: what happened, where, and what to do next.
///
/// ```
/// use durable_runtime::{ErrorKind, Server};
///
/// # #[tokio::main]
/// # async fn main() {
/// let error = Server::builder("users", "1.0.0").open().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FixProgram);
/// assert_eq!(error.to_string(), "store_missing: the server has no store; name its file with `.store(\"..\")`");
/// # }
/// ```
///
/// Its `Debug` is made for people too, since that is what `fn main() -> Result<(), Error>` prints: the text, and the texts
/// of its sources.
#[derive(Serialize, Deserialize)]
pub struct Error {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    #[serde(skip)]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code: Cow::Borrowed(code), message: message.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// An invocation that ended because it had not ended within its timeout.
    pub(crate) fn invocation_timed_out(limit_ms: u64) -> Self {
        let message = format!(
            "the call did not end within its timeout of {:?}, and goes no further; what it has done is not undone, so make \
             a new call, under another idempotency key, only if all of it may be repeated",
            Duration::from_millis(limit_ms)
        );
        Self::new(ErrorKind::FixCall, "invocation_timed_out", message)
    }

    /// An invocation that ended because it was cancelled.
    pub(crate) fn invocation_cancelled(reason: &str) -> Self {
        let message = format!(
            "the call was cancelled ({reason}), and goes no further; what it has done is not undone, so make a new call, \
             under another idempotency key, only if all of it may be repeated"
        );
        Self::new(ErrorKind::FixCall, "invocation_cancelled", message)
    }

    /// What to do next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code, as `docs/errors.md` explains it.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened and what to do, without the code.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut below = self.source();
        while let Some(source) = below {
            write!(f, "\n  because: {source}")?;
            below = source.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<AtMostOnceFailedBeforeCompleting> for Error {
    fn from(in_doubt: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::new(ErrorKind::AskPerson, "at_most_once_failed_before_completing", in_doubt.to_string())
    }
}

impl From<StepTimedOut> for Error {
    fn from(timed_out: StepTimedOut) -> Self {
        Self::new(ErrorKind::Retry, "step_timed_out", timed_out.to_string())
    }
}

/// A step that is marked at most once was started and never ended: whether its effect happened is not known, and the
/// step is never run again.
///
/// A step's error type takes it in with `From`:
///
/// ```
/// use durable_runtime::AtMostOnceFailedBeforeCompleting;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// enum ChargeError {
///     Network(String),
///     InDoubt(AtMostOnceFailedBeforeCompleting),
/// }
///
/// impl From<AtMostOnceFailedBeforeCompleting> for ChargeError {
///     fn from(in_doubt: AtMostOnceFailedBeforeCompleting) -> Self {
///         ChargeError::InDoubt(in_doubt)
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "attempt {attempt} of the at-most-once step `{step}` was started and never ended; it may have had its effect, \
     and is not made again"
)]
#[non_exhaustive]
pub struct AtMostOnceFailedBeforeCompleting {
    /// The step, as `scope/name[key]`.
    pub step: String,
    /// The attempt that is in doubt, counted from 1.
    pub attempt: u32,
}

impl AtMostOnceFailedBeforeCompleting {
    pub(crate) fn new(step: String, attempt: u32) -> Self {
        Self { step, attempt }
    }
}

/// The last attempt of an at-least-once step ran longer than the step's `timeout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("attempt {attempt} of the step `{step}` did not end within {limit_ms} ms")]
#[non_exhaustive]
pub struct StepTimedOut {
    /// The step, as `scope/name[key]`.
    pub step: String,
    /// The attempt that ran out of time, counted from 1.
    pub attempt: u32,
    /// The step's `timeout`, in milliseconds.
    pub limit_ms: u64,
}

impl StepTimedOut {
    pub(crate) fn new(step: String, attempt: u32, limit_ms: u64) -> Self {
        Self { step, attempt, limit_ms }
    }
}

/// A ready-made error for steps and tools: takes any [`std::error::Error`] by `?`, keeps its text and those of its
/// sources, and can be recorded.
///
/// Like other catch-all errors it does not implement [`std::error::Error`] itself: that is what lets `?` turn every
/// error that does into one.
///
/// ```
/// use durable_runtime::ToolError;
///
/// fn parse(text: &str) -> Result<u32, ToolError> {
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolError {
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    /// The last word of the name of the type that it was made of, if it was.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    made_of: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refuses: bool,
}

impl ToolError {
    /// An error with a text of one's own.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), sources: Vec::new(), made_of: None, refuses: false }
    }

    /// An error that ends the call as a request that failed, with the JSON-RPC error -32603, and not with a result that a model
    /// reads. Only as the error of a tool.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self { refuses: true, ..Self::new(message) }
    }

    /// The texts of the errors below this one, outermost first.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: StdError> From<E> for ToolError {
    fn from(error: E) -> Self {
        let mut sources = Vec::new();
        let mut below = error.source();
        while let Some(source) = below {
            sources.push(source.to_string());
            below = source.source();
        }
        Self { message: error.to_string(), sources, made_of: Some(Cow::Borrowed(last_word::<E>())), refuses: false }
    }
}

/// Whether an error is one of the request.
pub(crate) fn refuses<E: 'static>(error: &E) -> bool {
    (error as &dyn Any).downcast_ref::<ToolError>().is_some_and(|error| error.refuses)
}

/// The last word of the name of an error's type; of a [`ToolError`], that of the error it was made of.
pub(crate) fn type_of<E: 'static>(error: &E) -> Cow<'static, str> {
    let made_of = (error as &dyn Any).downcast_ref::<ToolError>().and_then(|error| error.made_of.clone());
    made_of.unwrap_or(Cow::Borrowed(last_word::<E>()))
}

fn last_word<T>() -> &'static str {
    let name = type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path).trim_start_matches('&')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_error_is_the_one_that_was_written_last() {
        let parse = || "x".parse::<u8>().expect_err("no number");
        assert_eq!(type_of(&parse()), "ParseIntError");
        assert_eq!(type_of(&ToolError::from(parse())), "ParseIntError");
        assert_eq!(type_of(&ToolError::new("no")), "ToolError");
        assert_eq!(type_of(&Vec::<std::fmt::Error>::new()), "Vec");
        assert_eq!(type_of(&"text"), "str");
        let json = serde_json::to_value(ToolError::from(parse())).expect("plain data");
        assert_eq!(json["type"], "ParseIntError");
        assert_eq!(type_of(&serde_json::from_value::<ToolError>(json).expect("what was written")), "ParseIntError");
    }

    #[test]
    fn tool_error_keeps_the_texts_of_its_sources() {
        let error =
            Error::new(ErrorKind::Retry, "outer", "it broke").with_source(std::io::Error::other("the disk is gone"));
        let kept = ToolError::from(error);
        assert_eq!(kept.to_string(), "outer: it broke");
        assert_eq!(kept.sources(), ["the disk is gone"]);
    }

    #[test]
    fn a_recorded_error_reads_back_as_it_was() {
        let error = Error::new(ErrorKind::FixCall, "key_too_large", "too large");
        let json = serde_json::to_string(&error).expect("an error is plain data");
        let read: Error = serde_json::from_str(&json).expect("what was written is read");
        assert_eq!((read.kind(), read.code(), read.message()), (error.kind(), error.code(), error.message()));
    }
}
