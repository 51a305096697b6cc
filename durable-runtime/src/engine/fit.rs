//! Whether what an earlier build has left can go on with this one.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::task::Poll;

use super::Engine;
use super::admission::decoded;
use super::execution::Start;
use super::invocation::Halt;
use super::look::READ_AT_ONCE;
use super::recovery::invocation_id;
use super::rehearsal::Rehearsal;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::identity::Identity;
use crate::journal::record::{Admission, Unfinished};
use crate::journal::replay::{self, Contradiction};
use crate::store::Keyspace;
use crate::tool::BodyKind;

/// How many unfinished invocations are looked at beside a start.
const LOOKED_AT: usize = 10_000;
/// How many of them are named in the log.
const LOGGED: usize = 20;

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

/// An unfinished invocation that does not fit the build.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfit {
    /// The invocation.
    pub invocation: InvocationId,
    /// Its tool.
    pub tool: String,
    /// The reason's name: the one that the invocation is parked with, as the table in `docs/store.md` has it, or `step_missing`.
    pub code: String,
    /// Why it does not fit.
    pub what: String,
    /// Whether it cannot go on. If not, its body goes another way than its journal, as far as that can be seen: a step that was
    /// renamed runs again, one that was removed is not asked for.
    pub is_certain: bool,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invocation {} of `{}` ({}): {}", self.invocation, self.tool, self.code, self.what)
    }
}

impl Engine {
    /// Finds the unfinished invocations that do not fit this build, those that are parked for good left out. Bodies are replayed,
    /// without effects, as far as their journals lead.
    pub(crate) async fn unfit(&self) -> Result<Vec<Unfit>, Error> {
        let mut unfit = Vec::new();
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(Keyspace::Unfinished, after, Bound::Unbounded).await?;
            let Some((last, _)) = page.last() else { return Ok(unfit) };
            after = Bound::Excluded(last.clone());
            for (key, row) in page {
                if !matches!(decoded(&row)?, Unfinished::Parked { .. }) {
                    unfit.extend(self.misfit(invocation_id(&key)?).await?);
                }
            }
        }
    }

    async fn misfit(&self, id: InvocationId) -> Result<Option<Unfit>, Error> {
        let (records, rows) = self.journal(id).await?;
        let mut tool = String::new();
        let history = match replay::replay(records) {
            Ok(history) => history,
            // It has ended just now.
            Err(Contradiction::NoAdmission) if rows == 0 => return Ok(None),
            Err(contradiction) => {
                let (code, what) = ("journal_damaged".to_owned(), contradiction.to_string());
                return Ok(Some(Unfit { invocation: id, tool, code, what, is_certain: true }));
            }
        };
        tool.clone_from(&history.admission().tool);
        let unfit = |code: &str, what, is_certain| {
            Ok(Some(Unfit { invocation: id, tool, code: code.to_owned(), what, is_certain }))
        };
        let body = match self.fitting(history.admission()) {
            Ok(body) => body,
            Err(misfit) => return unfit(misfit.code, misfit.reason, true),
        };
        if history.cancelled().is_some() {
            // Its body goes no further.
            return Ok(None);
        }
        let Rehearsal { invocation, polled } = self.rehearse(id, history, rows, body);
        if let Some(Halt::Park { code, reason }) = invocation.halted() {
            return unfit(&code, reason, true);
        }
        if let Poll::Ready(Err(panic)) = &polled {
            return unfit("unclean_ends", format!("its body panics: {panic}"), true);
        }
        let (missed, new) = invocation.departures();
        if missed.is_empty() {
            return Ok(None);
        }
        let listed = |identities: Vec<Identity>| {
            let mut listed: Vec<String> = identities.iter().map(|identity| format!("`{identity}`")).collect();
            listed.sort_unstable();
            listed.join(", ")
        };
        let open: Vec<Identity> = missed.iter().filter(|step| invocation.history().is_open(step)).cloned().collect();
        let end = if polled.is_ready() { "its body ends without coming" } else { "its body has not come, so far," };
        let mut what = format!("{end} to {}, which its journal has", listed(missed));
        if !new.is_empty() {
            what = format!("{what}, and comes to {}, which that does not have", listed(new));
        }
        if !open.is_empty() {
            what = format!("{what}; whether the effect of {} has happened is not known", listed(open));
        }
        unfit("step_missing", what, false)
    }

    /// Says in the log, beside the start, what of the unfinished does not fit this build, as far as that is known without running
    /// anybody's code but the reading of arguments: what kills the process in a replay must not do so at every start.
    pub(super) fn report_misfits(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.in_background(async move {
            if let Err(error) = engine.log_misfits().await {
                tracing::warn!(%error, "whether the unfinished invocations fit this build could not be seen");
            }
        });
    }

    async fn log_misfits(&self) -> Result<(), Error> {
        let (mut seen, mut unfit) = (0, 0);
        let mut after = Bound::Unbounded;
        while seen < LOOKED_AT {
            let page = self.page(Keyspace::Unfinished, after, Bound::Unbounded).await?;
            let Some((last, _)) = page.last() else { break };
            after = Bound::Excluded(last.clone());
            seen += page.len();
            let mut ids = Vec::new();
            for (key, row) in page {
                if !matches!(decoded(&row)?, Unfinished::Parked { .. }) {
                    ids.push(invocation_id(&key)?);
                }
            }
            for ids in ids.chunks(READ_AT_ONCE) {
                for (id, admission) in ids.iter().zip(self.admissions(ids).await?) {
                    // One that is damaged, or has ended just now, says so elsewhere.
                    let Ok(admission) = admission else { continue };
                    let Err(misfit) = self.fitting(&admission) else { continue };
                    unfit += 1;
                    if unfit <= LOGGED {
                        tracing::warn!(invocation = %id, tool = admission.tool, code = misfit.code, reason = misfit.reason,
                            "an unfinished invocation does not fit this build");
                    }
                }
            }
        }
        if unfit > 0 {
            tracing::warn!(unfit, "unfinished invocations do not fit this build, and wait for one that they fit");
        }
        Ok(())
    }
}
