//! Each tool of the example, with a crash at every commit.

use durable_runtime::testing::{TestRun, TestServer, durable_test};
use serde_json::{Value, json};

use super::*;

// `service.rs` holds which of the documents fail with this seed.
const SEED: u64 = 563;

async fn open(run: &TestRun) -> TestServer {
    run.server(|| {
        Server::builder("document", "test")
            .state(Services::with_seed(SEED))
            .tool(upload_file)
            .tool(process_document)
            .tool(get_job_status)
    })
    .await
}

async fn call(server: &TestServer, tool: &str, arguments: Value) -> Value {
    server.call(tool, arguments).await.expect("the call is answered").result.expect("the tool has no error")
}

async fn process(server: &TestServer, file_id: &str) -> Value {
    let file = json!({ "file_id": file_id, "content": "Hello", "metadata": { "author": "alice" } });
    assert_eq!(call(server, "upload_file", file).await["file_id"], file_id);
    call(server, "process_document", json!({ "file_id": file_id, "target_language": "de" })).await
}

/// A job is stored if and only if the document was processed, also where a service is in doubt.
#[durable_test(crash = every_point, in_doubt(recognize, translate))]
async fn document_is_processed_once_or_one_service_is_in_doubt(run: TestRun) {
    let server = open(&run).await;
    let processed = process(&server, "file-1").await;
    let status = call(&server, "get_job_status", json!({ "job_id": processed["job_id"] })).await;
    assert_eq!(status["status"], processed["status"]);
    if processed["status"] == "success" {
        assert_eq!(status["job"]["result"], "[de] Extracted text from document: Hello...");
    } else {
        let error = processed["error"].as_str().expect("an error has a text");
        assert!(error.ends_with("never finished; ask the service what became of it"), "{error}");
    }
}

#[durable_test(crash = every_point, in_doubt(recognize))]
async fn document_that_never_reaches_a_service_is_given_up(run: TestRun) {
    let server = open(&run).await;
    let processed = process(&server, "file-5").await;
    assert_eq!((&processed["step"], &processed["status"]), (&json!("ocr"), &json!("error")));
    assert_eq!(JOBS.count(&server.store(), ..).await.expect("the table is read"), 0);
}

#[durable_test(crash = every_point)]
async fn document_that_was_not_uploaded_is_an_answer(run: TestRun) {
    let server = open(&run).await;
    let processed = call(&server, "process_document", json!({ "file_id": "nothing of this name" })).await;
    assert_eq!(processed["step"], "lookup");
}
