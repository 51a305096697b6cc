//! Who did what: each operation on users leaves an entry in an audit log, exactly one.

use std::process::ExitCode;

use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;
use durable_runtime::{AuditEntry, AuditQuery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::{Uuid, uuid};

const USERS: SortedMap<User> = SortedMap::new("users");

// Ids are names in this namespace, so the same name has the same id in every run and on every machine.
const NAMES: Uuid = uuid!("0f0d4a0e-7c7a-4b7e-9b0f-3a7b6f2d8e61");

/// A row of the table `users`: what `create_user` and `update_user` were given.
#[derive(Debug, Serialize, Deserialize)]
struct User {
    role: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Default for User {
    fn default() -> Self {
        Self { role: "user".to_owned(), fields: Map::new() }
    }
}

/// Creates a user.
#[audit("user_operations")]
#[durable_tool]
async fn create_user(
    cx: &DurableContext,
    /// The user's name. The id is derived from it.
    name: String,
    /// The user's email address.
    email: String,
) -> Result<Created, ToolError> {
    #[once(at_least)]
    let user_id = store_user(cx, &name, &email).await?;
    Ok(Created::Success { user_id, name, email })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Created {
    Success { user_id: String, name: String, email: String },
}

async fn store_user(cx: &StepContext, name: &str, email: &str) -> Result<String, ToolError> {
    let user_id = format!("user_{}", Uuid::new_v5(&NAMES, name.as_bytes()).simple());
    let mut user = User::default();
    user.fields.insert("name".to_owned(), name.into());
    user.fields.insert("email".to_owned(), email.into());
    effect(cx, USERS.insert(cx, [(user_id.as_str(), user)])).await?;
    Ok(user_id)
}

/// Deletes a user.
///
/// Its entry is made by hand, for it says more than the call: that this is severe.
#[durable_tool(destructive)]
async fn delete_user(
    cx: &DurableContext,
    /// The user to delete.
    user_id: String,
    /// Why.
    reason: Option<String>,
) -> Result<Deleted, ToolError> {
    USERS.remove(cx, [user_id.as_str()]).await?;
    let deletion = Deletion { action: "delete_user", user_id: &user_id, reason, severity: "high", status: "success" };
    cx.audit("user_operations", &deletion).await?;
    Ok(Deleted::Success { user_id })
}

#[derive(Debug, Serialize)]
struct Deletion<'a> {
    action: &'a str,
    user_id: &'a str,
    reason: Option<String>,
    severity: &'a str,
    status: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Deleted {
    Success { user_id: String },
}

/// Changes fields of a user.
///
/// A change of the role is told to those who watch over security too.
#[audit("user_operations")]
#[durable_tool]
async fn update_user(
    cx: &DurableContext,
    /// The user to change.
    user_id: String,
    /// The new values of fields.
    updates: Map<String, Value>,
) -> Result<Updated, ToolError> {
    let updated_fields: Vec<String> = updates.keys().cloned().collect();
    let new_role = updates.get("role").map(as_text);
    // What the role was, and that it is another now, belong together: nobody changes it in between.
    let (key, role) = (user_id.clone(), new_role.clone());
    let old_role = cx.transaction(move |tx| update(tx, &key, &updates, role.as_deref())).await?;
    if let Some(new_role) = new_role {
        let change = RoleChange { action: "role_change", user_id: &user_id, old_role, new_role, severity: "medium" };
        cx.audit("security_events", &change).await?;
    }
    Ok(Updated::Success { user_id, updated_fields })
}

#[derive(Debug, Serialize)]
struct RoleChange<'a> {
    action: &'a str,
    user_id: &'a str,
    old_role: String,
    new_role: String,
    severity: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Updated {
    Success { user_id: String, updated_fields: Vec<String> },
}

/// Changes a user and gives the role that they had.
fn update(
    tx: &mut Transaction<'_>,
    user_id: &str,
    updates: &Map<String, Value>,
    role: Option<&str>,
) -> Result<String, ToolError> {
    let mut user = tx.get(&USERS, user_id)?.unwrap_or_default();
    let old_role = user.role.clone();
    if let Some(role) = role {
        role.clone_into(&mut user.role);
    }
    let others = updates.iter().filter(|(field, _)| *field != "role");
    user.fields.extend(others.map(|(field, value)| (field.clone(), value.clone())));
    tx.insert(&USERS, [(user_id, user)])?;
    Ok(old_role)
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads an audit log.
///
/// Without times the newest entries come first; with `begin` those from then on, oldest first; with `end` alone those up to
/// then, newest first.
#[durable_tool(read_only)]
async fn get_audit_log(
    cx: &ReadContext,
    /// The log to read: `user_operations` or `security_events`.
    log_name: String,
    /// The time of the first entry, in milliseconds since the Unix epoch.
    begin: Option<u64>,
    /// The time of the last entry, in milliseconds since the Unix epoch.
    end: Option<u64>,
    /// How many entries at most.
    #[arg(default = 100)]
    limit: usize,
) -> Result<Found, ToolError> {
    let query = AuditQuery { begin, end, limit, ..AuditQuery::default() };
    let entries = AuditLog::named(log_name.clone())?.query(cx, query).await?.entries;
    Ok(Found { log_name, count: entries.len(), entries })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    log_name: String,
    count: usize,
    entries: Vec<AuditEntry>,
}

#[derive(Debug, Parser)]
#[command(name = "audit", about = "Serves the example `audit`: operations on users, and who did what", version)]
struct Flags {
    #[command(flatten)]
    server: ServerFlags,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    server::exit_code(run(&flags.server).await)
}

async fn run(flags: &ServerFlags) -> anyhow::Result<()> {
    server::prepare(flags)?;
    let audit = Server::builder("audit", env!("CARGO_PKG_VERSION"))
        .store(flags.store_of("audit")?)
        .instructions("Creates, changes and deletes users, and tells who did what.")
        .tools(tools![create_user, delete_user, update_user, get_audit_log]);
    server::serve(audit, flags).await
}
