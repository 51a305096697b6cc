//! What the audit log promises: one entry for each call that ended, found by time.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{Keyspace, MemoryBackend, SyncBackend as _};
use durable_runtime::{AuditEntry, AuditPage, AuditQuery, ErrorKind, ServerBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::support::{FaultyBackend, Process, effect, effects, server, server_on, slow_server};

const OPERATIONS: AuditLog = AuditLog::new("user_operations");
/// The same rows, as any table has them.
const ROWS: SortedMap<AuditEntry> = SortedMap::new("audit:user_operations");

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Created {
    user_id: String,
    token: String,
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum CreateError {
    #[error("the password `{0}` is too short")]
    Short(String),
    #[error("no network")]
    Network,
}

impl From<AtMostOnceFailedBeforeCompleting> for CreateError {
    fn from(_: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::Network
    }
}

async fn create(cx: &StepContext, name: &str, failures: u32) -> Result<String, CreateError> {
    effect(name, cx);
    if cx.attempt() <= failures { Err(CreateError::Network) } else { Ok(format!("id of {name}")) }
}

/// Creates a user.
#[audit("user_operations", redact(password, token))]
#[durable_tool]
async fn create_user(
    cx: &DurableContext,
    name: String,
    password: String,
    #[arg(default = 0)] failures: u32,
) -> Result<Created, CreateError> {
    if password.len() < 8 {
        return Err(CreateError::Short(password));
    }
    #[once(at_least, retry(attempts = 3, initial = "1s", factor = 1.0, jitter = 0.0))]
    let user_id = create(cx, &name, failures).await?;
    Ok(Created { user_id, token: format!("token of {name}") })
}

/// Leaves entries in two logs.
#[durable_tool]
#[audit("user_operations")]
#[audit("security_events", redact(number))]
async fn two_logs(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    Ok(number.to_string().parse()?)
}

/// Fails with an error of the library's.
#[durable_tool]
#[audit("user_operations")]
async fn parses(_cx: &DurableContext, text: String) -> Result<u8, ToolError> {
    Ok(text.parse()?)
}

/// Fails with a text.
#[durable_tool]
#[audit("user_operations")]
async fn says_no(_cx: &DurableContext) -> Result<u8, ToolError> {
    Err(ToolError::new("no"))
}

#[derive(Serialize)]
struct RoleChange<'a> {
    action: &'a str,
    new_role: &'a str,
}

async fn change_role(cx: &StepContext, role: &str) -> Result<(), ToolError> {
    cx.audit("user_operations", &RoleChange { action: "changed in a step", new_role: role }).await?;
    if cx.attempt() == 1 { Err(ToolError::new("not yet")) } else { Ok(()) }
}

/// Makes entries of its own: in its body, twice the same, and in a step.
#[durable_tool]
async fn set_role(cx: &DurableContext, role: String) -> Result<(), ToolError> {
    let entry = RoleChange { action: "asked", new_role: &role };
    cx.audit("user_operations", &entry).await?;
    cx.audit("user_operations", &entry).await?;
    #[once(at_least)]
    change_role(cx, &role).await
}

/// Makes entries that are none.
#[durable_tool]
async fn wrong_entries(cx: &DurableContext) -> Result<Vec<String>, ToolError> {
    let mut codes = Vec::new();
    for (log, entry) in [
        ("a b", json!({})),
        ("a", json!([1])),
        ("a", json!({ "timestamp": 1 })),
        ("a", json!({ "tool": "t" })),
        ("a", json!({ "invocation": "i" })),
    ] {
        let refused = cx.audit(log, &entry).await;
        codes.push(refused.map_or_else(|error| error.code().to_owned(), |()| "none".to_owned()));
    }
    Ok(codes)
}

/// Only reads.
#[durable_tool(read_only)]
#[audit("user_operations")]
async fn reads(_cx: &ReadContext, number: u32) -> Result<u32, ToolError> {
    assert!(number != 13, "bad luck");
    Ok(number)
}

/// Gives a page of a log.
#[durable_tool(read_only)]
async fn get_log(
    cx: &ReadContext,
    log: String,
    begin: Option<u64>,
    end: Option<u64>,
    #[arg(default = 100)] limit: usize,
    after: Option<String>,
) -> Result<AuditPage, Error> {
    AuditLog::named(log)?.query(cx, AuditQuery { begin, end, limit, after }).await
}

/// Reads the log in its body and in a step.
#[durable_tool]
async fn counts(cx: &DurableContext) -> Result<(usize, usize), Error> {
    let in_body = OPERATIONS.query(cx, AuditQuery::default()).await?.entries.len();
    #[once(at_least, name = "count")]
    let in_step = async { Ok::<_, Error>(OPERATIONS.query(cx, AuditQuery::default()).await?.entries.len()) }.await?;
    Ok((in_body, in_step))
}

/// Gives all rows of the log.
#[durable_tool(read_only)]
async fn rows(cx: &ReadContext) -> Result<Vec<(String, AuditEntry)>, Error> {
    ROWS.range(cx, .., 1000).await
}

fn with_tools(builder: ServerBuilder) -> ServerBuilder {
    builder.tools(tools![create_user, two_logs, parses, says_no, set_role, wrong_entries, reads, get_log, counts, rows])
}

async fn open() -> Server {
    with_tools(server()).open().await.expect("a server")
}

async fn call(server: &Server, tool: &str, arguments: Value) -> Result<Value, Value> {
    server.call(tool, arguments).await.expect("an answer").result.map_err(|failure| failure.error)
}

/// The entries of a log, oldest first.
async fn entries_of(server: &Server, log: &str) -> Vec<AuditEntry> {
    let page = call(server, "get_log", json!({ "log": log, "begin": 0 })).await.expect("a page");
    serde_json::from_value::<AuditPage>(page).expect("a page").entries
}

async fn entries(server: &Server) -> Vec<AuditEntry> {
    entries_of(server, "user_operations").await
}

fn ada(failures: u32) -> Value {
    json!({ "name": "ada", "password": "correct horse", "failures": failures })
}

#[tokio::test]
async fn a_call_leaves_one_entry_with_its_inputs_and_outputs() {
    let server = open().await;
    let answer = server.call("create_user", ada(0)).await.expect("an answer");
    let entries = entries(&server).await;
    let [entry] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!(
        serde_json::to_value(entry).expect("JSON"),
        json!({
            "timestamp": 1_700_000_000_000_u64,
            "tool": "create_user",
            "inputs": { "name": "ada", "password": "[redacted]", "failures": 0 },
            "outputs": { "user_id": "id of ada", "token": "[redacted]" },
            "success": true,
            "duration_seconds": 0.0,
            "invocation": answer.invocation.expect("an invocation").to_string(),
        })
    );
    assert_eq!((entry.is_success(), entry.error(), entry.invocation()), (Some(true), None, answer.invocation));
    assert_eq!(answer.result.expect("a value")["token"], "token of ada");
}

#[tokio::test]
async fn an_error_is_recorded_with_its_type_and_without_what_is_redacted() {
    let server = open().await;
    call(&server, "create_user", json!({ "name": "ada", "password": "hunter2" })).await.expect_err("too short");
    call(&server, "parses", json!({ "text": "x" })).await.expect_err("no number");
    call(&server, "says_no", json!({})).await.expect_err("no");
    let errors: Vec<_> = entries(&server)
        .await
        .iter()
        .map(|entry| (entry.is_success(), entry.outputs().is_none(), entry.error().expect("an error").to_owned()))
        .collect();
    assert_eq!(
        errors,
        [
            (Some(false), true, "CreateError: the password `[redacted]` is too short".to_owned()),
            (Some(false), true, "ParseIntError: invalid digit found in string".to_owned()),
            (Some(false), true, "ToolError: no".to_owned()),
        ]
    );
}

#[tokio::test]
async fn retries_are_one_entry_that_lasts_from_the_admission_on() {
    let server = open().await;
    call(&server, "create_user", ada(2)).await.expect("a value");
    let entries = entries(&server).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].duration(), Some(Duration::from_secs(2)));
    assert_eq!(entries[0].timestamp, 1_700_000_002_000);
}

#[tokio::test]
async fn calls_that_are_refused_or_attached_leave_no_entry() {
    let server = open().await;
    for _ in 0..3 {
        let call = server.call("two_logs", json!({ "number": 1 })).idempotency_key("k");
        assert_eq!(call.await.expect("an answer").result, Ok(json!(1)));
    }
    server.call("two_logs", json!({ "number": 2 })).idempotency_key("k").await.expect_err("a conflict");
    server.call("two_logs", json!({ "number": "two" })).await.expect_err("no number");
    server.call("reads", json!({})).await.expect_err("no number");
    server.call("nothing", json!({})).await.expect_err("no such tool");
    assert_eq!(entries(&server).await.len(), 1);
    assert!(server.validate().await.expect("a replay").is_empty());
    assert_eq!(entries(&server).await.len(), 1);
}

#[tokio::test]
async fn each_log_has_its_entry_and_its_redaction() {
    let server = open().await;
    call(&server, "two_logs", json!({ "number": 7 })).await.expect("a value");
    let inputs = |entries: Vec<AuditEntry>| entries.iter().map(|entry| entry.inputs().cloned()).collect::<Vec<_>>();
    assert_eq!(inputs(entries(&server).await), [Some(json!({ "number": 7 }))]);
    assert_eq!(inputs(entries_of(&server, "security_events").await), [Some(json!({ "number": "[redacted]" }))]);
}

#[test]
fn a_call_that_is_finished_after_a_restart_leaves_one_entry_and_one_that_ended_before_no_other() {
    let rows = MemoryBackend::default();
    let first = Process::start(with_tools(slow_server(&rows)));
    first.runtime.block_on(call(&first.server, "says_no", json!({}))).expect_err("no");
    first.kill();

    let first = Process::start(with_tools(slow_server(&rows)).tool(patient));
    first.begin("patient", json!({}));
    // The opening, the admission, and the failure.
    first.wait_for_commits(3);
    assert_eq!(first.runtime.block_on(entries(&first.server)).len(), 1);
    first.kill();
    for _ in 0..2 {
        let process = Process::start(with_tools(server_on(rows.clone())).tool(patient));
        let call = process.server.call("patient", json!({})).idempotency_key("k");
        let answer = process.runtime.block_on(call.into_future()).expect("an answer");
        let entries = process.runtime.block_on(entries_of(&process.server, "patience"));
        let [entry] = &entries[..] else { panic!("{entries:#?}") };
        assert_eq!((entry.invocation(), entry.outputs()), (answer.invocation, Some(&json!("id of patient"))));
        assert_eq!(process.runtime.block_on(self::entries(&process.server)).len(), 1);
        process.kill();
    }
    assert_eq!(effects("patient").len(), 2);
}

/// Waits for an hour between two attempts.
#[audit("patience")]
#[durable_tool]
async fn patient(cx: &DurableContext) -> Result<String, CreateError> {
    #[once(at_least, retry(attempts = 2, initial = "1h", max = "1h"))]
    create(cx, "patient", 1).await
}

fn panic_once() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    assert!(RUNS.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
}

/// Panics at first.
#[durable_tool]
#[audit("user_operations")]
async fn panics_once(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.audit("user_operations", &json!({ "action": "begun" })).await?;
    panic_once();
    Ok(1)
}

#[tokio::test]
async fn a_body_that_panics_has_no_entry_before_it_ends() {
    let server = server().tool(panics_once).tool(get_log).open().await.expect("a server");
    call(&server, "panics_once", json!({})).await.expect("a value");
    let entries = entries(&server).await;
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!((entries[0].get("action"), entries[1].is_success()), (Some(&json!("begun")), Some(true)));
}

#[tokio::test]
async fn entries_of_ones_own_are_made_once_and_none_by_an_attempt_that_fails() {
    let server = open().await;
    let answer = server.call("set_role", json!({ "role": "admin" })).await.expect("an answer");
    answer.result.expect("a value");
    let entries = entries(&server).await;
    let actions: Vec<_> = entries.iter().map(|entry| entry.get("action").expect("an action").as_str()).collect();
    assert_eq!(actions, [Some("asked"), Some("asked"), Some("changed in a step")]);
    for entry in &entries {
        assert_eq!((entry.tool.as_str(), entry.invocation()), ("set_role", answer.invocation));
        assert_eq!(entry.get("new_role"), Some(&json!("admin")));
    }
    assert!(server.validate().await.expect("a replay").is_empty());
    assert_eq!(self::entries(&server).await, entries);
}

#[tokio::test]
async fn what_is_no_entry_is_refused_with_what_is_wrong() {
    let server = open().await;
    let codes = call(&server, "wrong_entries", json!({})).await.expect("codes");
    let reserved = "audit_field_reserved";
    assert_eq!(codes, json!(["audit_log_invalid", "audit_entry_not_object", reserved, reserved, reserved]));
}

#[tokio::test]
async fn a_read_only_call_is_answered_when_its_entry_is_durable() {
    let backend = FaultyBackend::default();
    let server = with_tools(server_on(backend.clone())).open().await.expect("a server");
    assert_eq!(call(&server, "reads", json!({ "number": 1 })).await, Ok(json!(1)));
    let error = server.call("reads", json!({ "number": 13 })).await.expect_err("a panic");
    assert_eq!(error.code(), "tool_panicked");
    backend.fails.store(true, Ordering::SeqCst);
    let error = server.call("reads", json!({ "number": 2 })).await.expect_err("no store");
    assert_eq!((error.code(), error.kind()), ("store_unavailable", ErrorKind::Retry));
    backend.fails.store(false, Ordering::SeqCst);
    let entries = entries(&server).await;
    let [first, second] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!((first.inputs(), first.outputs()), (Some(&json!({ "number": 1 })), Some(&json!(1))));
    assert_eq!((second.error(), second.is_success()), (Some("Panic: bad luck"), Some(false)));
    assert_eq!(first.invocation(), None);
}

#[tokio::test]
async fn entries_of_one_millisecond_keep_their_order_and_are_rows_of_a_table() {
    let server = open().await;
    for number in 0..50 {
        call(&server, "reads", json!({ "number": 100 + number })).await.expect("a value");
    }
    let entries = entries(&server).await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.outputs().and_then(Value::as_u64)).collect();
    assert_eq!(numbers, (100..150).map(Some).collect::<Vec<_>>());
    assert!(entries.iter().all(|entry| entry.timestamp == entries[0].timestamp));
    let rows = call(&server, "rows", json!({})).await.expect("rows");
    let rows: Vec<(String, AuditEntry)> = serde_json::from_value(rows).expect("rows");
    assert_eq!(rows.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), entries);
}

/// Calls at 0, 1, 2, 3 and 4 seconds.
async fn five_seconds() -> Server {
    let server = open().await;
    for failures in [0, 1, 1, 1, 1] {
        call(&server, "create_user", ada(failures)).await.expect("a value");
    }
    server
}

/// The seconds of the entries that a query gives, page after page.
async fn seconds(server: &Server, query: Value, limit: usize) -> Vec<u64> {
    let mut arguments = json!({ "log": "user_operations", "limit": limit });
    let fields: &mut Map<String, Value> = arguments.as_object_mut().expect("an object");
    fields.extend(query.as_object().expect("an object").clone());
    let mut seconds = Vec::new();
    loop {
        let page = call(server, "get_log", arguments.clone()).await.expect("a page");
        let page: AuditPage = serde_json::from_value(page).expect("a page");
        assert!(page.entries.len() == limit || page.next.is_none());
        seconds.extend(page.entries.iter().map(|entry| (entry.timestamp - 1_700_000_000_000) / 1000));
        let Some(next) = page.next else { return seconds };
        arguments["after"] = next.into();
    }
}

#[tokio::test]
async fn entries_are_found_by_time_in_both_orders_and_in_pages() {
    let server = five_seconds().await;
    let at = |second: u64| 1_700_000_000_000 + second * 1000;
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(seconds(&server, json!({}), limit).await, [4, 3, 2, 1, 0]);
        assert_eq!(seconds(&server, json!({ "begin": at(2) }), limit).await, [2, 3, 4]);
        assert_eq!(seconds(&server, json!({ "end": at(2) }), limit).await, [2, 1, 0]);
        assert_eq!(seconds(&server, json!({ "begin": at(1), "end": at(3) }), limit).await, [1, 2, 3]);
        assert_eq!(seconds(&server, json!({ "begin": at(1) + 1, "end": at(3) - 1 }), limit).await, [2]);
        assert_eq!(seconds(&server, json!({ "begin": at(5) }), limit).await, <[u64; 0]>::default());
    }
    let error = call(&server, "get_log", json!({ "log": "a", "begin": 2, "end": 1 })).await.expect_err("inverted");
    assert_eq!(error["code"], "range_inverted");
    let error = call(&server, "get_log", json!({ "log": "a/b" })).await.expect_err("no name");
    assert_eq!(error["code"], "audit_log_invalid");
    assert_eq!(call(&server, "counts", json!({})).await, Ok(json!([5, 5])));
}

#[tokio::test]
async fn an_entry_costs_no_commit_but_that_of_a_read_only_call() {
    let server = open().await;
    for (tool, arguments, commits) in [
        ("create_user", ada(0), 2),
        ("two_logs", json!({ "number": 1 }), 1),
        ("set_role", json!({ "role": "admin" }), 3),
        ("reads", json!({ "number": 1 }), 1),
        ("get_log", json!({ "log": "user_operations" }), 0),
    ] {
        let before = server.commit_counts().groups;
        call(&server, tool, arguments).await.expect("a value");
        assert_eq!(server.commit_counts().groups - before, commits, "{tool}");
    }
}

/// Redacts what it does not have.
#[durable_tool]
#[audit("user_operations", redact(pasword))]
async fn misspelt(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

/// Redacts what may be in a map.
#[durable_tool]
#[audit("user_operations", redact(password))]
async fn updates(_cx: &DurableContext, updates: Map<String, Value>) -> Result<usize, ToolError> {
    Ok(updates.len())
}

#[tokio::test]
async fn a_redacted_field_that_no_schema_has_is_refused() {
    let error = server().tool(misspelt).open().await.expect_err("refused");
    assert_eq!((error.code(), error.kind()), ("audit_redact_unknown", ErrorKind::FixProgram));
    assert!(error.message().contains("`misspelt` redacts `pasword`"), "{error}");
    let server = server().tool(updates).tool(get_log).open().await.expect("a server");
    call(&server, "updates", json!({ "updates": { "password": "hunter2" } })).await.expect("a value");
    assert_eq!(entries(&server).await[0].inputs(), Some(&json!({ "updates": { "password": "[redacted]" } })));
}

#[test]
fn nothing_of_a_redacted_value_is_in_the_log() {
    let rows = MemoryBackend::default();
    let process = Process::start(with_tools(server_on(rows.clone())));
    process.runtime.block_on(call(&process.server, "create_user", ada(0))).expect("a value");
    let scan = durable_runtime::store::Scan {
        keyspace: Keyspace::Table,
        lower: std::ops::Bound::Unbounded,
        upper: std::ops::Bound::Unbounded,
        descending: false,
        limit: 10,
    };
    let rows = rows.scan(&scan).expect("rows");
    let text = rows.iter().map(|(_, value)| String::from_utf8_lossy(value)).collect::<String>();
    assert!(text.contains("id of ada") && !text.contains("correct horse") && !text.contains("token of ada"), "{text}");
}
