//! Calls the tools of the example `document` and checks what comes back.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use durable_examples::{
    client::{Client, call_by_hand},
    flags::ClientFlags,
    server::exit_code,
};
use serde_json::{Value, json};

/// How a document can end without a result: the step, the error, and whether another attempt may help.
const FAILURES: [(&str, &str, bool); 4] = [
    ("ocr", "OCR service unavailable", true),
    ("ocr", "Unsupported document format", false),
    ("translation", "Translation service unavailable", true),
    ("translation", "Daily translation quota exceeded", false),
];

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(&ClientFlags::parse()).await)
}

async fn run(flags: &ClientFlags) -> anyhow::Result<()> {
    let client = Client::connect(&flags.url, flags.protocol).await?;
    if call_by_hand(&client, flags).await? {
        client.close().await;
        return Ok(());
    }
    client.expect_tools(&["upload_file", "process_document", "get_job_status"]).await?;

    println!("Files are uploaded, with metadata or without.");
    let long = "Großes steht hier in fünfzig Zeichen, und noch mehr danach: äöü €".to_owned();
    let files = [("report", "The quarter went well.".to_owned()), ("letter", long), ("empty", String::new())];
    for (file_id, content) in &files {
        let mut upload = json!({ "file_id": file_id, "content": content });
        if *file_id == "report" {
            upload["metadata"] = json!({ "author": "alice", "type": "text/plain" });
        }
        client.expect("upload_file", &upload, &json!({ "status": "success", "file_id": file_id })).await?;
    }

    println!("Each is processed: the services fail at random, and are asked again only when they were not reached.");
    let mut job_ids = Vec::new();
    for (file_id, content) in &files {
        job_ids.push(process(&client, file_id, content, None).await?);
        for language in ["de", "fr"] {
            job_ids.push(process(&client, file_id, content, Some(language)).await?);
        }
    }
    let count = job_ids.len();
    job_ids.sort_unstable();
    job_ids.dedup();
    ensure!(job_ids.len() == count, "a job id depends on file and language, but two of {count} are the same");

    println!("A file that was never uploaded cannot be processed, and a job that never was has no status.");
    let answer = client.call("process_document", &json!({ "file_id": "lost" })).await?;
    let expected = json!({
        "status": "error",
        "job_id": job_id(&answer)?,
        "step": "lookup",
        "error": "File lost not found",
        "retryable": false,
    });
    ensure!(answer == expected, "expected {expected}, but got {answer}");
    client
        .expect(
            "get_job_status",
            &json!({ "job_id": "job_of_nobody" }),
            &json!({ "status": "error", "message": "Job not found" }),
        )
        .await?;

    client.close().await;
    println!("All as expected.");
    Ok(())
}

/// Processes a file and checks the result and its job, or the error. Gives the job's id.
async fn process(client: &Client, file_id: &str, content: &str, language: Option<&str>) -> anyhow::Result<String> {
    let mut arguments = json!({ "file_id": file_id });
    if let Some(language) = language {
        arguments["target_language"] = language.into();
    }
    let language = language.unwrap_or("en");
    let answer = client.call("process_document", &arguments).await?;
    let job_id = job_id(&answer)?.to_owned();
    if answer["status"] == "success" {
        let extract: String = content.chars().take(50).collect();
        let result = format!("[{language}] Extracted text from document: {extract}...");
        let expected = json!({ "status": "success", "job_id": job_id, "result": result });
        ensure!(answer == expected, "expected {expected}, but got {answer}");
        let job = json!({
            "job_id": job_id,
            "file_id": file_id,
            "target_language": language,
            "status": "completed",
            "result": result,
        });
        let expected = json!({ "status": "success", "job": job });
        client.expect("get_job_status", &json!({ "job_id": job_id }), &expected).await?;
    } else {
        let is_known = FAILURES.iter().any(|(step, error, retryable)| {
            let failure = json!({
                "status": "error", "job_id": job_id, "step": step, "error": error, "retryable": retryable,
            });
            failure == answer
        });
        ensure!(is_known, "this is no way for a document to end: {answer}");
    }
    Ok(job_id)
}

fn job_id(answer: &Value) -> anyhow::Result<&str> {
    answer["job_id"].as_str().with_context(|| format!("the result has no `job_id`: {answer}"))
}
