//! A group of batches that are committed together.

use super::commit::{Shared, Turn, Waiting};
use super::{Batch, CommitError, StoreError};

/// A group with no more batches than this is not large.
pub(super) const SMALL: usize = 8;

/// While a group is being synced, so many batches are worth a look at the next one.
const SOME: usize = 16;

/// A group of batches that are committed together: those that wait, and those that come while the group before it is synced.
pub struct Group<'a> {
    source: Source<'a>,
    /// What became of the first ones.
    results: Vec<Result<(), usize>>,
}

enum Source<'a> {
    /// These, and those that come.
    Queue(&'a Shared, Vec<Waiting>),
    /// These.
    Given(&'a [&'a Batch]),
}

impl<'a> Group<'a> {
    /// The next group, once there is a batch; `None` when no more come.
    pub(super) fn begin(shared: &'a Shared) -> Option<Self> {
        let mut queue = shared.queue.lock();
        while queue.turn == Turn::Caller || queue.waiting.is_empty() {
            if queue.is_closed && queue.turn != Turn::Caller {
                return None;
            }
            queue.wanted = 1;
            shared.arrived.wait(&mut queue);
        }
        queue.turn = Turn::Writer;
        Some(Self { source: Source::Queue(shared, std::mem::take(&mut queue.waiting)), results: Vec::new() })
    }

    /// A group that does not grow.
    pub(super) fn of(batches: &'a [&'a Batch]) -> Self {
        Self { source: Source::Given(batches), results: Vec::new() }
    }

    /// All batches that are there.
    pub(super) fn all(&self) -> Vec<&Batch> {
        match &self.source {
            Source::Queue(_, waiting) => waiting.iter().map(|waiting| &waiting.batch).collect(),
            Source::Given(batches) => batches.to_vec(),
        }
    }

    /// The next batch that is to be applied. At `None` the group before this one is durable, and this one is to be committed.
    pub fn next_batch(&mut self) -> Option<&Batch> {
        let index = self.results.len();
        if index == self.len() && !self.has_grown() {
            return None;
        }
        match &self.source {
            Source::Queue(_, waiting) => waiting.get(index).map(|waiting| &waiting.batch),
            Source::Given(batches) => batches.get(index).copied(),
        }
    }

    /// Says of the batch that came last that it is applied, or which of its guards did not hold.
    ///
    /// # Panics
    ///
    /// If no batch came since.
    pub fn applied(&mut self, result: Result<(), usize>) {
        assert!(self.results.len() < self.len(), "each batch is applied once");
        self.results.push(result);
    }

    /// Whether so many batches are in it that others can be expected while it is synced.
    pub fn is_large(&self) -> bool {
        self.len() > SMALL
    }

    pub(super) fn len(&self) -> usize {
        match &self.source {
            Source::Queue(_, waiting) => waiting.len(),
            Source::Given(batches) => batches.len(),
        }
    }

    /// Waits for more while the group before is synced.
    fn has_grown(&mut self) -> bool {
        let Source::Queue(shared, batches) = &mut self.source else { return false };
        let mut queue = shared.queue.lock();
        if !queue.is_syncing {
            return false;
        }
        while queue.is_syncing && queue.waiting.len() < SOME {
            queue.wanted = SOME;
            shared.arrived.wait(&mut queue);
        }
        // What came before the end of that sync too.
        let has_grown = !queue.waiting.is_empty();
        batches.append(&mut queue.waiting);
        has_grown
    }

    /// What became of the batches that were applied.
    #[cfg(test)]
    pub(super) fn results(&self) -> &[Result<(), usize>] {
        &self.results
    }

    /// The same, at the end.
    pub(super) fn into_results(self) -> Vec<Result<(), usize>> {
        self.results
    }

    /// Ends it with what became of the whole.
    pub(super) fn end(self, committed: Result<(), StoreError>) -> Answers {
        let waiting = match self.source {
            Source::Queue(_, waiting) => waiting,
            Source::Given(_) => Vec::new(),
        };
        Answers { waiting, results: committed.map(|()| self.results) }
    }
}

/// The answers of a group. They are given when this is dropped, so that none is lost with who was to give them.
pub(super) struct Answers {
    waiting: Vec<Waiting>,
    results: Result<Vec<Result<(), usize>>, StoreError>,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn are_many(&self) -> bool {
        self.len() > SMALL
    }

    /// The group was not made durable after all.
    pub(super) fn fail(&mut self, error: StoreError) {
        self.results = Err(error);
    }

    pub(super) fn error(&self) -> Option<&StoreError> {
        self.results.as_ref().err()
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        match &self.results {
            Ok(results) => waiting
                .zip(results)
                .for_each(|(waiting, result)| waiting.answer(result.map_err(CommitError::GuardFailed))),
            Err(error) => waiting.for_each(|waiting| waiting.answer(Err(CommitError::Store(error.clone())))),
        }
    }
}
