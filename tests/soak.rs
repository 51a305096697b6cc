//! Servers that are killed with SIGKILL at random moments, again and again, under load from real clients, and an account at the
//! end: what the clients were told, what the witness saw, and what is in the store must agree.
//!
//! `DURABLE_SOAK_SECONDS` says how long (20), `DURABLE_SOAK_SEED` repeats the choices of a run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use durable_runtime::{AuditLog, AuditQuery, Store};
use durable_tests::{Client, Fixture, HttpClient, Revision, ServerProcess, structured, text};
use rmcp::model::CallToolResult;
use rmcp::service::ServiceError;
use serde_json::{Value, json};

/// Clients at once, of each kind.
const CLIENTS: usize = 3;
/// How long a client waits before it calls again.
const IMPATIENCE: Duration = Duration::from_secs(10);
/// How long the last calls may take, when nobody kills the server any more.
const LAST: Duration = Duration::from_secs(120);

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A call that was answered.
struct Answered {
    tool: &'static str,
    arguments: Value,
    /// `None` for a call of a session, which is answered on its stream.
    key: Option<String>,
    /// The labels of the effects that it has when it succeeds.
    labels: Vec<String>,
    result: CallToolResult,
}

/// What all clients share.
struct Load {
    url: String,
    is_over: AtomicBool,
    reconnects: AtomicU64,
    resumed: AtomicU64,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    async fn breathe(&self) {
        self.reconnects.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The tools that are called in turn, with arguments and labels.
fn call(name: &str, number: u64) -> (&'static str, Value, Vec<String>) {
    let label = format!("{name}-{number}");
    match number % 5 {
        0 => ("one_step", json!({ "label": label }), vec![label]),
        2 => ("audited", json!({ "label": label }), vec![label]),
        3 => ("keep_notes", json!({ "keys": [name, format!("{name} too")] }), Vec::new()),
        _ => ("charge", json!({ "label": label }), vec![label]),
    }
}

/// A client of the official library that makes keyed calls, each again until it is answered.
async fn keyed(load: Arc<Load>, revision: Revision, client: usize) -> Vec<Answered> {
    let name = format!("{}-{client}", revision.version());
    let mut answered = Vec::new();
    let mut connection = None;
    for number in 0.. {
        if !load.goes_on() {
            break;
        }
        let (tool, arguments, labels) = call(&name, number);
        let key = format!("{name} {number}");
        let result = loop {
            let Some(connected) = &connection else {
                let connecting = tokio::time::timeout(IMPATIENCE, Client::try_http(&load.url, revision));
                connection = connecting.await.ok().and_then(Result::ok);
                if connection.is_none() {
                    load.breathe().await;
                }
                continue;
            };
            let calling = connected.call_keyed(tool, &arguments, &key);
            match tokio::time::timeout(IMPATIENCE, calling).await {
                Ok(Ok(result)) => break result,
                Ok(Err(ServiceError::McpError(error))) if !is_temporary(&error) => {
                    panic!("{tool} under `{key}`: {error:?}")
                }
                _lost => {
                    connection = None;
                    load.breathe().await;
                }
            }
        };
        answered.push(Answered { tool, arguments, key: Some(key), labels, result });
    }
    answered
}

/// Whether the same call can be made again: the server says so, or the connection or the session is gone.
fn is_temporary(error: &rmcp::ErrorData) -> bool {
    let next = error.data.as_ref().and_then(|data| data["next"].as_str());
    next == Some("retry") || next.is_none()
}

/// A client with a session, whose calls have no key: it comes back to their streams until they are answered.
async fn in_session(load: Arc<Load>, client: usize) -> Vec<Answered> {
    let name = format!("session-{client}");
    let mut answered = Vec::new();
    let mut session = None;
    for number in 0.. {
        if !load.goes_on() {
            break;
        }
        let (tool, arguments, labels) = call(&name, number);
        let Some(connected) = &session else {
            session = HttpClient::try_connect(&load.url, Revision::November2025, json!({})).await;
            if session.is_none() {
                load.breathe().await;
            }
            continue;
        };
        // Whether a call without a key has begun is known from the first event on.
        let Some(mut events) = connected.try_begin(tool, &arguments).await else {
            load.breathe().await;
            continue;
        };
        let Some(first) = events.next().await.and_then(|event| event.id) else {
            load.breathe().await;
            continue;
        };
        let (mut came_back, mut calm) = (0, None);
        let message = loop {
            if !load.goes_on() {
                let calm = calm.get_or_insert_with(Instant::now);
                assert!(calm.elapsed() < LAST, "the stream of {tool} {arguments} has no answer");
            }
            match tokio::time::timeout(IMPATIENCE, events.next()).await {
                Ok(Some(event)) if event.message.is_some() => break event.message.expect("it is there"),
                Ok(Some(_)) => {}
                _lost => {
                    load.breathe().await;
                    came_back += 1;
                    if let Some(again) = connected.try_come_back(&first).await {
                        assert_eq!(again.status(), 200, "the stream of {tool} {arguments} is lost");
                        events = again;
                    }
                }
            }
        };
        load.resumed.fetch_add(u64::from(came_back > 0), Ordering::SeqCst);
        let result = serde_json::from_value(message["result"].clone());
        let result = result.unwrap_or_else(|_| panic!("{tool} in a session: {message}"));
        answered.push(Answered { tool, arguments, key: None, labels, result });
    }
    answered
}

/// A client whose keyed calls are tasks, which it polls.
async fn as_task(load: Arc<Load>, client: usize) -> Vec<Answered> {
    let name = format!("task-{client}");
    let mut answered = Vec::new();
    let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let connected = HttpClient::try_connect(&load.url, Revision::July2026, capabilities).await;
    let connected = connected.expect("this revision has nothing to begin");
    for number in 0.. {
        if !load.goes_on() {
            break;
        }
        let (tool, arguments, labels) = call(&name, number);
        let key = format!("{name} {number}");
        let mut task: Option<String> = None;
        let result = loop {
            let answer = if let Some(id) = &task {
                connected.try_request("tasks/get", json!({ "taskId": id }), &[("mcp-name", id)]).await
            } else {
                let params = json!({ "name": tool, "arguments": arguments });
                connected.try_request("tools/call", params, &[("mcp-name", tool), ("idempotency-key", &key)]).await
            };
            let Some(answer) = answer else {
                load.breathe().await;
                continue;
            };
            if let Some(error) = answer.get("error") {
                assert_eq!(error["data"]["next"], "retry", "{tool} as a task: {answer}");
                load.breathe().await;
                continue;
            }
            let state = &answer["result"];
            match state["status"].as_str() {
                Some("working") => {
                    task = state["taskId"].as_str().map(str::to_owned);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Some("completed") => break state["result"].clone(),
                None if state["content"].is_array() => break state.clone(),
                _ => panic!("{tool} as a task: {answer}"),
            }
        };
        let result = serde_json::from_value(result.clone()).unwrap_or_else(|_| panic!("{tool} as a task: {result}"));
        answered.push(Answered { tool, arguments, key: Some(key), labels, result });
    }
    answered
}

fn start(fixture: &Fixture, listen: &str) -> ServerProcess {
    // However often it is killed, nothing is to be parked.
    fixture.start(&["--listen", listen, "--unclean-ends", "1000000", "--task-after", "0"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_comes_to_its_one_end_however_often_the_server_is_killed() {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse::<u64>().ok());
    let seconds = number("DURABLE_SOAK_SECONDS").unwrap_or(20);
    let seed =
        number("DURABLE_SOAK_SEED").unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs());
    println!("DURABLE_SOAK_SEED={seed}");
    let mut random = Random(seed);

    let fixture = Fixture::new(env!("CARGO_BIN_EXE_durable-test-server"));
    let mut server = start(&fixture, "127.0.0.1:0");
    let url = server.url().to_owned();
    let listen = url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let load = Arc::new(Load {
        url,
        is_over: AtomicBool::new(false),
        reconnects: AtomicU64::new(0),
        resumed: AtomicU64::new(0),
    });
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        for revision in Revision::ALL {
            clients.spawn(keyed(Arc::clone(&load), revision, client));
        }
        clients.spawn(in_session(Arc::clone(&load), client));
        clients.spawn(as_task(Arc::clone(&load), client));
    }

    let begin = Instant::now();
    let mut kills = 0_u64;
    while begin.elapsed() < Duration::from_secs(seconds) {
        // Often while it is still taking up what the one before left.
        let longest = if random.below(3) == 0 { 30 } else { 400 };
        tokio::time::sleep(Duration::from_millis(random.below(longest))).await;
        server.kill();
        kills += 1;
        server = tokio::task::block_in_place(|| start(&fixture, &listen));
        if let Some(ended) = clients.try_join_next() {
            panic!("a client has given up: {:?}", ended.map(|answered| answered.len()));
        }
    }
    load.is_over.store(true, Ordering::SeqCst);
    let answered: Vec<Answered> = clients.join_all().await.into_iter().flatten().collect();
    let seen = account(&fixture, &server, &answered).await;
    server.stop().await;
    agree_on_the_audit(&fixture, &answered).await;
    println!(
        "{kills} kills in {seconds} s, {} calls answered, {seen} effects, {} in doubt, {} lost connections, {} calls of sessions \
         answered after coming back",
        answered.len(),
        answered.iter().filter(|answer| answer.result.is_error == Some(true)).count(),
        load.reconnects.load(Ordering::SeqCst),
        load.resumed.load(Ordering::SeqCst),
    );
    assert!(kills > seconds / 2 && answered.len() > 20, "that was no load");

    // Nothing is left that a server would go on with.
    let before = std::fs::read_to_string(fixture.log()).expect("the log").len();
    start(&fixture, &listen).stop().await;
    let log = std::fs::read_to_string(fixture.log()).expect("the log");
    assert!(!log[before..].contains("unfinished invocations"), "{}", &log[before..]);
}

/// Checks answers against effects and tables; gives how many effects there were.
async fn account(fixture: &Fixture, server: &ServerProcess, answered: &[Answered]) -> usize {
    let effects = fixture.effects();
    let mut by_label: HashMap<&str, (u32, HashSet<&str>)> = HashMap::new();
    for effect in &effects {
        let (times, invocations) = by_label.entry(&effect.label).or_default();
        *times += 1;
        invocations.insert(&effect.invocation);
        assert!(effect.tool != "charge" || *times == 1, "an at-most-once step was made twice: {effect:?}");
        assert!(effect.label == "keep" || invocations.len() == 1, "a call was executed twice: {effect:?}");
    }
    let client = Client::http(server.url(), Revision::July2026).await;
    let notes = client.value("notes", &json!({})).await;
    let mut kept: HashMap<&str, Value> = HashMap::new();
    for answer in answered {
        let Answered { tool, arguments, key, labels, result } = answer;
        if result.is_error == Some(true) {
            // The one error that there can be.
            assert!(*tool == "charge" && text(result).starts_with("in doubt"), "{tool} {arguments}: {}", text(result));
        } else {
            for label in labels {
                assert!(by_label.contains_key(label.as_str()), "{tool} says that `{label}` has happened");
            }
        }
        // A call without a key whose begin was lost may write later than the one after it.
        if *tool == "keep_notes" && key.is_some() {
            for name in arguments["keys"].as_array().expect("a list") {
                kept.insert(name.as_str().expect("a text"), structured(result)["text"].clone());
            }
        }
        if let Some(key) = key {
            let again = client.call_keyed(tool, arguments, key).await.expect("an answer");
            assert_eq!(again.structured_content, result.structured_content, "an answer is the same for ever");
            assert_eq!(again.is_error, result.is_error);
        }
    }
    for (key, value) in kept {
        assert_eq!(notes["notes"][key], value, "the table agrees with the last result about `{key}`");
    }
    effects.len()
}

/// Each audited call has one entry of its end, and one that it made itself.
async fn agree_on_the_audit(fixture: &Fixture, answered: &[Answered]) {
    let store = Store::open(fixture.store()).await.expect("the store");
    let log = AuditLog::new("charges");
    let (mut begun, mut ended) = (HashMap::<String, u32>::new(), HashMap::<String, u32>::new());
    let mut after = None;
    loop {
        let query = AuditQuery { begin: Some(0), limit: 1000, after, ..AuditQuery::default() };
        let page = log.query(&store, query).await.expect("the log can be read");
        for entry in page.entries {
            if let Some(label) = entry.get("begun").and_then(Value::as_str) {
                *begun.entry(label.to_owned()).or_default() += 1;
            } else {
                let label = entry.inputs().and_then(|inputs| inputs["label"].as_str()).expect("the inputs");
                *ended.entry(label.to_owned()).or_default() += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for answer in answered.iter().filter(|answer| answer.tool == "audited") {
        let label = &answer.labels[0];
        assert_eq!((begun.get(label), ended.get(label)), (Some(&1), Some(&1)), "{label}");
    }
    store.close().await;
}
