//! Entries in audit logs that a tool's body makes by itself.

use serde::Serialize;

use super::DurableContext;
use crate::audit::ExplicitEntry;
use crate::journal::record::Record;
use crate::operation::Operation;
use crate::table::TableOperation;
use crate::table::operation::OperationName;
use crate::table::overlay::Overlay;

impl DurableContext {
    /// Makes an entry in an audit log: the fields of `entry`, with `timestamp`, `tool` and `invocation` beside them.
    ///
    /// It is made exactly once, and joins the poll's batch, so it costs no commit of its own. A replay finds it by the log
    /// and what it says; of several that say the same, each after the first is numbered.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// /// Gives a user another role.
    /// #[durable_tool]
    /// async fn set_role(cx: &DurableContext, user_id: String, role: String) -> Result<(), ToolError> {
    ///     let entry = serde_json::json!({ "action": "role_change", "user_id": user_id, "new_role": role });
    ///     cx.audit("security_events", &entry).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `audit_log_invalid`, `audit_entry_not_object` (it has no fields), `audit_field_reserved` (it has one of the three
    /// above), `value_not_encodable`, `value_too_large` (over 16 MiB).
    pub fn audit<T: Serialize + ?Sized>(&self, log: &str, entry: &T) -> TableOperation<'_, ()> {
        let entry = ExplicitEntry::read(log, entry);
        Operation::new(async move {
            let entry = entry?;
            let (name, key) = entry.identity();
            let operation = self.claim(OperationName { name, key, is_alias: false }).await;
            if self.invocation.history().operation(&operation).is_some() {
                return Ok(());
            }
            let (key, value) = entry.into_row(&self.invocation);
            let mut writes = Overlay::default();
            writes.write(key, Some(value));
            self.invocation.stage(Record::Operated { operation, result: Vec::new() }, writes);
            Ok(())
        })
    }
}
