//! Surveys: which invocations there are, and where each stands.

use std::ops::Bound;

use super::Engine;
use super::admission::decoded;
use super::intervention::unknown;
use super::recovery::invocation_id;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::invocations::{InvocationPage, InvocationState, InvocationSummary, waits};
use crate::journal::record::{Ended, Record, Unfinished};
use crate::local::LocalResult;
use crate::store::{Keyspace, Row, Scan};

/// The most invocations of one page.
const PAGE_INVOCATIONS: usize = 1000;

impl Engine {
    /// A page of those that have not ended, the oldest first; only those that are parked, if that is what is asked for.
    pub(crate) async fn unfinished(
        &self,
        after: Option<InvocationId>,
        limit: usize,
        only_parked: bool,
    ) -> Result<InvocationPage, Error> {
        check_limit(limit)?;
        let mut invocations = Vec::new();
        let mut after = after;
        loop {
            let lower = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes().to_vec()));
            let (page, is_last) = self.rows(Keyspace::Unfinished, (lower, Bound::Unbounded), false, limit).await?;
            for (key, row) in page {
                let id = invocation_id(&key)?;
                // It may have ended just now.
                if let Some(summary) = self.unfinished_summary(id, &decoded(&row)?).await?
                    && (!only_parked || matches!(summary.state, InvocationState::Parked { .. }))
                {
                    invocations.push(summary);
                }
                after = Some(id);
                if invocations.len() == limit {
                    return Ok(InvocationPage { invocations, next: after });
                }
            }
            if is_last {
                return Ok(InvocationPage { invocations, next: None });
            }
        }
    }

    /// A page of those that have ended, the newest first.
    pub(crate) async fn ended(&self, after: Option<InvocationId>, limit: usize) -> Result<InvocationPage, Error> {
        check_limit(limit)?;
        let upper = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes().to_vec()));
        let (page, is_last) = self.rows(Keyspace::Result, (Bound::Unbounded, upper), true, limit).await?;
        let summaries = page.iter().map(|(key, row)| Ok(ended_summary(invocation_id(key)?, decoded(row)?)));
        let invocations: Vec<InvocationSummary> = summaries.collect::<Result<_, Error>>()?;
        let next = invocations.last().map(|last| last.id).filter(|_| !is_last);
        Ok(InvocationPage { invocations, next })
    }

    async fn rows(
        &self,
        keyspace: Keyspace,
        (lower, upper): (Bound<Vec<u8>>, Bound<Vec<u8>>),
        descending: bool,
        limit: usize,
    ) -> Result<(Vec<Row>, bool), Error> {
        let scan = Scan { keyspace, lower, upper, descending, limit: limit + 1 };
        let mut page = self.surroundings.store.scan(scan).await?;
        let is_last = page.len() <= limit;
        page.truncate(limit);
        Ok((page, is_last))
    }

    /// One invocation, and its journal.
    pub(crate) async fn story(&self, id: InvocationId) -> Result<(InvocationSummary, Vec<Record>), Error> {
        let store = &self.surroundings.store;
        let key = id.as_bytes().to_vec();
        let unfinished = store.get(Keyspace::Unfinished, key.clone()).await?;
        let summary = match store.get(Keyspace::Result, key).await? {
            Some(ended) => Some(ended_summary(id, decoded(&ended)?)),
            None => match unfinished {
                Some(row) => self.unfinished_summary(id, &decoded(&row)?).await?,
                None => None,
            },
        };
        let (records, _) = self.journal(id).await?;
        Ok((summary.ok_or_else(|| unknown(id))?, records))
    }

    async fn unfinished_summary(&self, id: InvocationId, row: &Unfinished) -> Result<Option<InvocationSummary>, Error> {
        let now = self.surroundings.clock.now();
        let admission = match self.admission(id).await {
            Ok(admission) => admission,
            Err(error) if error.kind() == ErrorKind::AskPerson => return Ok(None),
            Err(error) => return Err(error),
        };
        let state = match row {
            Unfinished::Parked { code, reason, at } => InvocationState::Parked {
                code: code.clone(),
                reason: reason.clone(),
                since: Some(Timestamp::from_millis(*at)),
            },
            Unfinished::Suspended { until } => InvocationState::Suspended { until: Timestamp::from_millis(*until) },
            Unfinished::Suspect { unclean_ends, .. } => InvocationState::Running { unclean_ends: *unclean_ends },
            Unfinished::Running { .. } | Unfinished::Unclean { .. } => {
                match (self.fitting(&admission), row.wake_at()) {
                    (Err(misfit), _) => {
                        InvocationState::Parked { code: misfit.code.to_owned(), reason: misfit.reason, since: None }
                    }
                    (Ok(_), Some(until)) if until > now.as_millis() => {
                        let (records, _) = self.journal(id).await?;
                        InvocationState::Waiting { until: Timestamp::from_millis(until), waits: waits(&records, now) }
                    }
                    (Ok(_), _) => InvocationState::Running { unclean_ends: self.unclean_ends.standing(row).0 },
                }
            }
        };
        Ok(Some(InvocationSummary {
            id,
            tool: admission.tool,
            principal: admission.principal,
            admitted_at: Timestamp::from_millis(admission.at),
            state,
        }))
    }
}

fn ended_summary(id: InvocationId, ended: Ended) -> InvocationSummary {
    InvocationSummary {
        id,
        admitted_at: Timestamp::from_millis(ended.admitted_at),
        state: InvocationState::Ended {
            at: Timestamp::from_millis(ended.at),
            result: LocalResult::of_ended(id, true, &ended.conclusion).result,
        },
        tool: ended.tool,
        principal: ended.principal,
    }
}

fn check_limit(limit: usize) -> Result<(), Error> {
    let (code, message) = match limit {
        0 => ("limit_zero", "a page has at least one invocation; give a limit from 1 on".to_owned()),
        1..=PAGE_INVOCATIONS => return Ok(()),
        _ => ("limit_too_large", format!("a page has at most {PAGE_INVOCATIONS} invocations; ask in pages")),
    };
    Err(Error::new(ErrorKind::FixCall, code, message))
}
