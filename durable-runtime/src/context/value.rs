//! Time and chance for a tool's body: what a replay gives is what the first run gave.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::DurableContext;
use crate::clock::Timestamp;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::Record;
use crate::operation::Operation;
use crate::table::overlay::Overlay;

impl DurableContext {
    /// The time now. A replay is given the time that the first run was given.
    pub fn now(&self) -> Timestamp {
        let recorded = self.recorded("now", || codec::encode(&self.invocation.now().as_millis()));
        Timestamp::from_millis(self.read_back("now", &recorded))
    }

    /// A new time-ordered UUID (version 7), of the time now. Ids that are made later in this process sort after it.
    pub fn uuid7(&self) -> Uuid {
        let recorded = self.recorded("uuid7", || codec::encode(self.new_uuid7().as_bytes()));
        Uuid::from_bytes(self.read_back("uuid7", &recorded))
    }

    /// A random number, the same in every replay: a function of the invocation's seed and of which one in the body it is.
    /// Not for secrets.
    pub fn random(&self) -> u64 {
        let Some(identity) = self.invocation.claim_unrecorded(self.identity("random", None)) else {
            return 0;
        };
        let mut digest = Sha256::new();
        digest.update(self.invocation.history().admission().seed.to_be_bytes());
        digest.update(identity.to_string());
        let digest = digest.finalize();
        u64::from_be_bytes(std::array::from_fn(|index| digest[index]))
    }

    /// Waits. The time at which it ends is recorded, so a restart neither begins the wait again nor ends it early.
    pub fn sleep(&self, duration: Duration) -> Operation<'_, ()> {
        let due = self.recorded("sleep", || codec::encode(&self.invocation.now().after(duration).as_millis()));
        let due = Timestamp::from_millis(self.read_back("sleep", &due));
        Operation::new(self.invocation.wait_until(due))
    }

    /// Whether this invocation takes the new way at a change of the code: `false` for one that had come further than this
    /// point under the old code, `true` for every other. The answer is recorded under the change's name.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn old_way(_: &StepContext) -> Result<(), ToolError> { Ok(()) }
    /// # async fn new_way(_: &StepContext) -> Result<(), ToolError> { Ok(()) }
    /// /// Ships an order.
    /// #[durable_tool]
    /// async fn ship(cx: &DurableContext, order: String) -> Result<(), ToolError> {
    ///     if cx.patched("ship with the new carrier") {
    ///         #[once(at_most)]
    ///         new_way(cx).await?;
    ///     } else {
    ///         #[once(at_most)]
    ///         old_way(cx).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn patched(&self, change: &str) -> bool {
        let identity = Identity { scope: self.scope.clone(), name: "patched".into(), key: Some(change.into()) };
        if let Some(recorded) = self.invocation.history().operation(&identity) {
            let recorded = recorded.to_vec();
            self.invocation.claim_again(identity);
            return self.read_back::<u8>("patched", &recorded) == 1;
        }
        let is_new = self.invocation.is_at_the_end_of_its_history();
        self.invocation.claim_again(identity.clone());
        let result = codec::encode(&u8::from(is_new));
        self.invocation.stage(Record::Operated { operation: identity, result }, Overlay::default());
        is_new
    }

    /// What an operation gave, or gives now; it joins the poll's batch. Empty when the invocation cannot go on: nothing of
    /// what the body still does in this poll is kept then.
    fn recorded(&self, name: &'static str, give: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let Some(operation) = self.invocation.claim_operation(self.identity(name, None)) else {
            return Vec::new();
        };
        if let Some(recorded) = self.invocation.history().operation(&operation) {
            return recorded.to_vec();
        }
        let result = give();
        let record = Record::Operated { operation, result: result.clone() };
        self.invocation.stage(record, Overlay::default());
        result
    }

    fn new_uuid7(&self) -> Uuid {
        self.invocation.surroundings.chance.uuid7(self.invocation.now())
    }

    fn read_back<T: bincode::Decode<()> + Default>(&self, name: &str, recorded: &[u8]) -> T {
        codec::decode(recorded).unwrap_or_else(|error| {
            self.invocation.park("journal_damaged", format!("what `{name}` gave is not readable: {error}"));
            T::default()
        })
    }
}
