//! Whether what an earlier build has left can go on with this one.

use super::Engine;
use super::execution::Start;
use crate::journal::record::Admission;
use crate::tool::BodyKind;

/// Why an invocation cannot go on with this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Engine {
    /// The body of an admitted call, as this build has it.
    pub(super) fn fitting(&self, admission: &Admission) -> Result<Start, Misfit> {
        let tool = &admission.tool;
        let Some(registered) = self.tools.get(tool) else {
            return Err(Misfit {
                code: "tool_missing",
                reason: format!("this server has no tool `{tool}`; start one that has it"),
            });
        };
        let prepared = serde_json::from_str(&admission.arguments)
            .map_err(|error| error.to_string())
            .and_then(|arguments| self.tools.prepare(registered, arguments).map_err(|error| error.to_string()));
        match prepared.map(|body| body.0) {
            Ok(BodyKind::Durable(body)) => Ok(body),
            Ok(BodyKind::ReadOnly(_)) => Err(Misfit {
                code: "tool_read_only",
                reason: format!("`{tool}` is read-only in this build, and was not when it was called"),
            }),
            Err(error) => Err(Misfit {
                code: "arguments_not_decodable",
                reason: format!("the recorded arguments do not fit `{tool}` in this build: {error}"),
            }),
        }
    }
}
