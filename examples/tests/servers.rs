//! The example servers, seen from outside: what their clients get, what a kill leaves, and what a bad start says.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Output,
    thread::{self, JoinHandle},
};

use durable_examples::{
    client::{Client, structured_content},
    effects::EffectsFile,
    flags::Revision,
    process::RunningServer,
    witness::ATTEMPT_BEGINS,
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

#[path = "servers/audit.rs"]
mod audit;
#[path = "servers/define.rs"]
mod define;
#[path = "servers/document.rs"]
mod document;
#[path = "servers/validation.rs"]
mod validation;

const AUDIT: &str = env!("CARGO_BIN_EXE_audit");
const STEPS: &str = env!("CARGO_BIN_EXE_steps");
const PROCESSING: &str = env!("CARGO_BIN_EXE_processing");
const DOCUMENT: &str = env!("CARGO_BIN_EXE_document");
const DEFINE: &str = env!("CARGO_BIN_EXE_define");

/// An example server with a directory of its own.
struct Fixture {
    directory: TempDir,
    program: &'static str,
}

impl Fixture {
    fn of(program: &'static str) -> Self {
        let directory = tempdir().expect("a temporary directory can be created");
        Self { directory, program }
    }

    fn effects(&self) -> EffectsFile {
        EffectsFile::at(self.directory.path().join("effects"))
    }

    fn command<S: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg("--store")
            .arg(self.directory.path().join("store.redb"))
            .arg("--effects")
            .arg(self.effects().path())
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env("RUST_LOG", "info,rmcp=warn");
        command
    }

    async fn start<S: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = S>) -> RunningServer {
        RunningServer::start(&mut self.command(flags)).await.expect("the server starts")
    }

    /// Stops the server, and looks whether replays of all its calls agree with their journals.
    async fn stop_and_validate(&self, server: RunningServer) {
        server.stop().await.expect("the server stops when asked");
        let output = self.command(["--validate"]).output().await.expect("the server can be run");
        assert!(output.status.success() && output.stdout.is_empty(), "a replay differs: {output:?}");
    }
}

async fn call(url: &str, tool: &str, arguments: &Value, key: &str) -> Value {
    let client = Client::connect(url, Revision::November2025).await.expect("the server answers");
    let result = client.request(tool, arguments, Some(key)).await.expect("the call is answered");
    client.close().await;
    structured_content(tool, &result).expect("the result is no error")
}

#[tokio::test]
async fn clients_get_what_they_expect_in_both_revisions() {
    let examples = [
        (AUDIT, env!("CARGO_BIN_EXE_audit-client")),
        (STEPS, env!("CARGO_BIN_EXE_steps-client")),
        (PROCESSING, env!("CARGO_BIN_EXE_processing-client")),
        (DOCUMENT, env!("CARGO_BIN_EXE_document-client")),
        (DEFINE, env!("CARGO_BIN_EXE_define-client")),
    ];
    for (server, client) in examples {
        for revision in ["2025-11-25", "2026-07-28"] {
            let fixture = Fixture::of(server);
            let running = fixture.start::<&str>([]).await;
            let mut command = Command::new(client);
            let output = command.args([running.url(), "--protocol", revision]).output().await;
            let output = output.expect("the client can be run");
            assert!(output.status.success(), "{client} on {revision}: {output:?}");
            fixture.stop_and_validate(running).await;
        }
    }
}

#[tokio::test]
async fn payment_is_not_made_after_a_crash_before_its_effect() {
    let fixture = Fixture::of(PROCESSING);
    // Far longer than this test: the attempt is still before its effect when the kill comes.
    let server = fixture.start(["--slow", "600000"]).await;
    assert_in_doubt(&fixture, server, 0).await;
}

#[tokio::test]
async fn payment_is_not_made_again_after_a_crash_after_its_effect() {
    let fixture = Fixture::of(PROCESSING);
    let server = fixture.start(["--slow", "3000"]).await;
    assert_in_doubt(&fixture, server, 1).await;
}

/// Kills the server when a payment has begun and has had this many effects, and looks at what becomes of it.
async fn assert_in_doubt(fixture: &Fixture, mut server: RunningServer, effects_before: usize) {
    let payment = json!({ "amount": 25.5 });
    let key = uuid::Uuid::new_v4().to_string();
    let caller = tokio::spawn({
        let (url, payment, key) = (server.url().to_owned(), payment.clone(), key.clone());
        async move {
            let client = Client::connect(&url, Revision::November2025).await?;
            client.request("process_payment", &payment, Some(&key)).await
        }
    });
    if effects_before == 0 {
        server.logged(&[ATTEMPT_BEGINS, "pay"]).await.expect("the attempt begins");
    } else {
        fixture.effects().wait_for("pay").await.expect("the payment has its effect");
    }
    server.kill().await.expect("the server can be killed");
    caller.abort();

    let server = fixture.start::<&str>([]).await;
    let answer = call(server.url(), "process_payment", &payment, &key).await;
    assert_eq!(answer["error_type"], "payment_failed", "{answer}");
    assert_eq!(answer["retryable"], false, "{answer}");
    let again = call(server.url(), "process_payment", &payment, &key).await;
    assert_eq!(again, answer);
    let effects = fixture.effects().read().expect("the effects file can be read");
    assert_eq!(effects.len(), effects_before, "{effects:?}");
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn payment_service_that_was_not_reached_is_asked_again_under_the_same_key() {
    let (address, service) = payment_service(&["503 Service Unavailable", "200 OK {\"transaction_id\": \"t-1\"}"]);
    let fixture = Fixture::of(PROCESSING);
    let server = fixture.start(["--payment-url", &format!("http://{address}/payments")]).await;
    let payment = json!({ "amount": 12.5, "currency": "EUR", "description": "A book" });
    let answer = call(server.url(), "process_payment", &payment, "4e3b6d0c-0d65-4a3a-9a52-8a4c3d1e7f60").await;
    let receipt = json!({ "transaction_id": "t-1", "amount": 12.5, "currency": "EUR", "status": "completed" });
    assert_eq!(answer, json!({ "status": "success", "payment": receipt }));
    fixture.stop_and_validate(server).await;

    let requests = service.join().expect("the stub saw two requests");
    assert_eq!(requests[0], requests[1], "both attempts carry the same key and the same payment");
    let (key, body) = &requests[0];
    assert!(uuid::Uuid::parse_str(key).is_ok(), "the header `Idempotency-Key` is a UUID: {key}");
    assert_eq!(serde_json::from_str::<Value>(body).expect("the body is JSON"), payment);
}

#[tokio::test]
async fn errors_of_a_payment_service_are_told_apart() {
    let unreached = ["500 Internal Server Error"; 3];
    let cases: [(&[&str], &str, bool); 3] = [
        (&["402 Payment Required"], "InsufficientFundsError", false),
        (&["422 Unprocessable Entity"], "PaymentRejectedError", false),
        (&unreached, "network_error", true),
    ];
    for (answers, error_type, retryable) in cases {
        let (address, service) = payment_service(answers);
        let fixture = Fixture::of(PROCESSING);
        let server = fixture.start(["--payment-url", &format!("http://{address}/")]).await;
        let key = uuid::Uuid::new_v4().to_string();
        let answer = call(server.url(), "process_payment", &json!({ "amount": 1.0 }), &key).await;
        assert_eq!(answer["status"], "error", "{answer}");
        assert_eq!(answer["error_type"], error_type, "{answer}");
        assert_eq!(answer["retryable"], retryable, "{answer}");
        fixture.stop_and_validate(server).await;
        assert_eq!(service.join().expect("the stub gave all its answers").len(), answers.len());
    }
}

/// Starts a payment service that gives these answers, one a connection, and ends with the key and body of each request.
fn payment_service(answers: &[&str]) -> (SocketAddr, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port can be listened on");
    let address = listener.local_addr().expect("the listener has an address");
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let service = thread::spawn(move || {
        let answer = |answer: String| {
            let (stream, _) = listener.accept().expect("a connection is accepted");
            answer_request(&stream, &answer)
        };
        answers.into_iter().map(answer).collect()
    });
    (address, service)
}

fn answer_request(mut stream: &TcpStream, answer: &str) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the request has a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.clone_into(&mut key),
            "content-length" => length = value.parse().expect("the length is a number"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the request has a body");
    let (status, content) =
        answer.split_once(" {").map_or((answer, String::new()), |(status, content)| (status, format!("{{{content}")));
    let length = content.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{content}")
        .expect("the answer can be written");
    (key, String::from_utf8(body).expect("the body is text"))
}

async fn failed_start(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().await.expect("the server can be run");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "it started: {stderr}");
    assert!(stdout.is_empty(), "standard output is for the address only");
    assert!(stderr.lines().any(|line| line.starts_with("error: ")), "no error is told: {stderr}");
    stderr
}

#[tokio::test]
async fn server_that_cannot_start_says_why_and_fails() {
    let fixture = Fixture::of(PROCESSING);
    let store = fixture.directory.path().join("store.redb");

    fs::write(&store, "These are notes, and not a store.").expect("the file can be written");
    let said = failed_start(&mut fixture.command::<&str>([])).await;
    assert!(said.contains("store.redb"), "{said}");
    let notes = fs::read_to_string(&store).expect("the file can be read");
    assert_eq!(notes, "These are notes, and not a store.");
    fs::remove_file(&store).expect("the file can be removed");

    let missing = fixture.directory.path().join("missing").join("store.redb");
    let said = failed_start(Command::new(PROCESSING).args(["--listen", "127.0.0.1:0", "--store"]).arg(&missing)).await;
    assert!(said.contains(&missing.display().to_string()), "{said}");

    let said = failed_start(fixture.command::<&str>([]).arg("--effects-of-nothing")).await;
    assert!(said.contains("--effects-of-nothing"), "{said}");

    let effects = Path::new("/nonexistent/effects");
    let store = fixture.directory.path().join("other.redb");
    let said = failed_start(
        Command::new(PROCESSING).args(["--listen", "127.0.0.1:0", "--store"]).arg(store).arg("--effects").arg(effects),
    )
    .await;
    assert!(said.contains("/nonexistent/effects"), "{said}");

    let said = failed_start(fixture.command::<&str>([]).args(["--payment-url", "https://example.com/"])).await;
    assert!(said.contains("--payment-url"), "{said}");

    let running = fixture.start::<&str>([]).await;
    let said = failed_start(&mut fixture.command::<&str>([])).await;
    assert!(said.contains("store.redb"), "{said}");

    let address = running.url().trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let another = Fixture::of(STEPS);
    let mut command = Command::new(STEPS);
    command.arg("--store").arg(another.directory.path().join("store.redb")).args(["--listen", &address]);
    let said = failed_start(&mut command).await;
    assert!(said.contains(&address), "{said}");
    running.stop().await.expect("the server stops when asked");
}
