//! Validation: replays invocations that have ended, without effects, and compares.

use std::fmt;
use std::ops::Bound;
use std::task::Poll;

use super::admission::decoded;
use super::rehearsal::Rehearsal;
use super::{Engine, recovery};
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::record::{Conclusion, Ended};
use crate::journal::replay;
use crate::store::Keyspace;
use crate::tool::Conclude;

/// One way in which the replay of an ended invocation is not what its journal says.
///
/// A difference means that a tool's body depends on something that is not recorded, or that the code has changed in a way
/// that would have broken the call if it had been under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The invocation.
    pub invocation: InvocationId,
    /// Its tool.
    pub tool: String,
    /// What is different.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invocation {} of `{}`: {}", self.invocation, self.tool, self.what)
    }
}

impl Engine {
    /// Replays every invocation that has ended, and whose journal is kept.
    pub(crate) async fn validate(&self) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(Keyspace::Result, after, Bound::Unbounded).await?;
            let Some((last, _)) = page.last() else { return Ok(differences) };
            after = Bound::Excluded(last.clone());
            for (key, row) in page {
                let id = recovery::invocation_id(&key)?;
                let ended: Ended = decoded(&row)?;
                let found = self.differences(id, &ended).await?;
                differences.extend(found.into_iter().map(|what| Difference {
                    invocation: id,
                    tool: ended.tool.clone(),
                    what,
                }));
            }
        }
    }

    async fn differences(&self, id: InvocationId, ended: &Ended) -> Result<Vec<String>, Error> {
        let (records, rows) = self.journal(id).await?;
        if records.is_empty() {
            // Its time was over.
            return Ok(Vec::new());
        }
        let history = match replay::replay(records) {
            Ok(history) => history,
            Err(contradiction) => return Ok(vec![contradiction.to_string()]),
        };
        let body = match self.fitting(history.admission()) {
            Ok(body) => body,
            Err(misfit) => return Ok(vec![misfit.reason]),
        };
        let may_end_anywhere = history.is_completed();
        let Rehearsal { invocation, polled } = self.rehearse(id, history, rows, body);
        let was_interrupted =
            matches!(ended.conclusion, Conclusion::TimedOut { .. } | Conclusion::Cancelled { .. }) || may_end_anywhere;
        let mut found = invocation.differences_from_history(was_interrupted);
        match polled {
            // What it would have ended with, is not known.
            Poll::Ready(Ok(_)) | Poll::Pending if was_interrupted => {}
            Poll::Ready(Ok(Ok(Conclude { conclusion, .. }))) if conclusion == ended.conclusion => {}
            Poll::Ready(Ok(Ok(Conclude { conclusion, .. }))) => {
                found.push(format!("it ends with {}, and ended with {}", shown(&conclusion), shown(&ended.conclusion)));
            }
            Poll::Ready(Ok(Err(error))) => found.push(format!("its result does not serialize: {error}")),
            Poll::Ready(Err(panic)) => found.push(format!("it panics: {panic}")),
            Poll::Pending if found.is_empty() => found.push("it does not come to its end".into()),
            Poll::Pending => {}
        }
        Ok(found)
    }
}

fn shown(conclusion: &Conclusion) -> String {
    match conclusion {
        Conclusion::Succeeded { value } | Conclusion::Presented { content: value } => format!("the value {value}"),
        Conclusion::Failed { error, .. } | Conclusion::Refused { error, .. } => format!("the error {error}"),
        Conclusion::TimedOut { limit_ms } => format!("its timeout of {limit_ms} ms"),
        Conclusion::Cancelled { reason } => format!("its cancellation: {reason}"),
    }
}
