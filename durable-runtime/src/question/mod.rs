//! Questions to clients, and what they are answered with.

mod elicitation;
mod root;
mod sampling;
mod schema;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::elicitation::Elicited;
pub use self::root::Root;
pub use self::sampling::{Sampled, Sampling};

pub(crate) use self::elicitation::elicitation;
pub(crate) use self::root::roots;

use crate::journal::record::Reply;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// The person who was asked said no.
    #[error("the question was declined")]
    Declined,
    /// The person who was asked closed the question without an answer.
    #[error("the question was dismissed without an answer")]
    Cancelled,
    /// The client cannot be asked, or failed to answer: why.
    #[error("the client cannot be asked: {0}")]
    Unavailable(String),
    /// Nobody answered in time.
    #[error("nobody answered the question in time")]
    Expired,
}

/// What an author is given for a reply.
pub trait Answer: Sized + Send {
    #[doc(hidden)]
    fn read(reply: Read<'_>) -> Result<Self, String>;
}

/// A reply, and the request that it answers.
#[doc(hidden)]
pub struct Read<'a> {
    pub(crate) reply: &'a Reply,
    pub(crate) request: &'a Value,
}

impl Read<'_> {
    /// The client's result, or why there is none.
    fn given(&self) -> Result<Result<Value, Unanswered>, String> {
        Ok(match self.reply {
            Reply::Given(text) => Ok(serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?),
            Reply::Unavailable(why) => Err(Unanswered::Unavailable(why.clone())),
            Reply::Expired | Reply::Withdrawn => Err(Unanswered::Expired),
        })
    }
}

impl<T: FromResult> Answer for Result<T, Unanswered> {
    fn read(reply: Read<'_>) -> Result<Self, String> {
        match reply.given()? {
            Ok(result) => T::from_result(result).map(Ok),
            Err(unanswered) => Ok(Err(unanswered)),
        }
    }
}

/// Read from the client's result.
#[doc(hidden)]
pub trait FromResult: Sized + Send {
    fn from_result(result: Value) -> Result<Self, String>;
}
