//! The example `document`: what becomes of a document when the services fail, and when the server is killed.

use durable_examples::{
    client::{Client, structured_content},
    flags::Revision,
    process::RunningServer,
    witness::ATTEMPT_BEGINS,
};
use serde_json::{Value, json};

use super::{DOCUMENT, Fixture, call};

// With this seed some documents of a low number fail in each way that there is; `document/service.rs` holds that.
const SEED: [&str; 2] = ["--seed", "563"];

const STEPS: [&str; 4] = ["find_file", "recognize", "translate", "store_job"];

fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn upload(url: &str, file_id: &str, content: &str) {
    let file = json!({ "file_id": file_id, "content": content, "metadata": { "author": "alice" } });
    let uploaded = call(url, "upload_file", &file, &new_key()).await;
    assert_eq!(uploaded, json!({ "status": "success", "file_id": file_id }));
}

fn in_german(file_id: &str) -> Value {
    json!({ "file_id": file_id, "target_language": "de" })
}

/// Processes a document and gives the result without the id of the job, which is checked.
async fn process(url: &str, file_id: &str) -> Value {
    let mut answer = call(url, "process_document", &in_german(file_id), &new_key()).await;
    let job_id = answer.as_object_mut().and_then(|answer| answer.remove("job_id"));
    let job_id = job_id.as_ref().and_then(Value::as_str).expect("each answer names the job");
    assert!(job_id.starts_with("job_"), "{job_id}");
    answer
}

fn failure(step: &str, error: &str, retryable: bool) -> Value {
    json!({ "status": "error", "step": step, "error": error, "retryable": retryable })
}

fn success(content: &str) -> Value {
    json!({ "status": "success", "result": format!("[de] Extracted text from document: {content}...") })
}

#[tokio::test]
async fn failures_of_the_services_are_told_apart_and_only_the_network_is_tried_again() {
    let fixture = Fixture::of(DOCUMENT);
    let server = fixture.start(SEED).await;
    // The attempts of OCR and of translation that each document takes.
    let cases = [
        ("file-1", success("Hello"), 1, 1),
        ("file-12", success("Hello"), 2, 1),
        ("file-3", success("Hello"), 1, 2),
        ("file-2", failure("ocr", "Unsupported document format", false), 1, 0),
        ("file-5", failure("ocr", "OCR service unavailable", true), 3, 0),
        ("file-18", failure("translation", "Daily translation quota exceeded", false), 1, 1),
        ("file-20", failure("translation", "Translation service unavailable", true), 3, 3),
    ];
    for (file_id, expected, recognized, translated) in cases {
        let before = fixture.effects().read().expect("the effects file can be read").len();
        upload(server.url(), file_id, "Hello").await;
        assert_eq!(process(server.url(), file_id).await, expected, "{file_id}");
        let effects = fixture.effects().read().expect("the effects file can be read").split_off(before);
        let times = |step: &str| effects.iter().filter(|effect| effect.step == step).count();
        let is_stored = usize::from(expected["status"] == "success");
        assert_eq!(STEPS.map(times), [1, recognized, translated, is_stored], "{file_id}");
    }
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn seed_makes_a_run_repeatable_whatever_is_called_in_between() {
    let files: Vec<String> = (1..=25).map(|n| format!("file-{n}")).collect();
    let mut runs = Vec::new();
    for is_reversed in [false, true] {
        let fixture = Fixture::of(DOCUMENT);
        let server = fixture.start(SEED).await;
        let mut order: Vec<&String> = files.iter().collect();
        if is_reversed {
            order.reverse();
        }
        let mut answers = Vec::new();
        for file_id in order {
            upload(server.url(), file_id, "Hello").await;
            if is_reversed {
                process(server.url(), "nothing of this name").await;
            }
            answers.push(call(server.url(), "process_document", &in_german(file_id), &new_key()).await);
        }
        if is_reversed {
            answers.reverse();
        }
        fixture.stop_and_validate(server).await;
        runs.push(answers);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn file_that_was_not_uploaded_is_an_answer_and_reaches_no_service() {
    let fixture = Fixture::of(DOCUMENT);
    let server = fixture.start(SEED).await;
    let answer = process(server.url(), "file-1").await;
    assert_eq!(answer, failure("lookup", "File file-1 not found", false));
    let effects = fixture.effects().read().expect("the effects file can be read");
    assert_eq!(effects.len(), 1, "{effects:?}");
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn extract_has_fifty_characters_however_many_bytes_they_are() {
    let fixture = Fixture::of(DOCUMENT);
    let server = fixture.start(SEED).await;
    let long = "ä€😀".repeat(20);
    upload(server.url(), "file-1", &long).await;
    let extract: String = long.chars().take(50).collect();
    assert_eq!(process(server.url(), "file-1").await, success(&extract));
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn lookup_is_made_again_after_a_crash() {
    assert_cut("find_file", Moment::AfterEffect, [2, 1, 1, 1], &success("Hello")).await;
}

#[tokio::test]
async fn ocr_is_not_made_after_a_crash_before_its_effect() {
    assert_cut("recognize", Moment::BeforeEffect, [1, 0, 0, 0], &in_doubt("ocr", "OCR")).await;
}

#[tokio::test]
async fn ocr_is_not_made_again_after_a_crash_after_its_effect() {
    assert_cut("recognize", Moment::AfterEffect, [1, 1, 0, 0], &in_doubt("ocr", "OCR")).await;
}

#[tokio::test]
async fn translation_is_not_made_again_after_a_crash_after_its_effect_and_neither_is_ocr() {
    assert_cut("translate", Moment::AfterEffect, [1, 1, 1, 0], &in_doubt("translation", "Translation")).await;
}

#[tokio::test]
async fn job_is_stored_after_a_crash_without_asking_the_services_again() {
    assert_cut("store_job", Moment::AfterEffect, [1, 1, 1, 2], &success("Hello")).await;
}

fn in_doubt(step: &str, service: &str) -> Value {
    let error =
        format!("{service} was begun by a previous attempt that never finished; ask the service what became of it");
    failure(step, &error, false)
}

#[derive(Clone, Copy, PartialEq)]
enum Moment {
    BeforeEffect,
    AfterEffect,
}

/// Kills the server in the first attempt of a step, and looks at what becomes of the call; in both revisions.
async fn assert_cut(step: &str, moment: Moment, times: [usize; 4], expected: &Value) {
    tokio::join!(
        assert_cut_in(Revision::November2025, step, moment, times, expected),
        assert_cut_in(Revision::July2026, step, moment, times, expected),
    );
}

async fn assert_cut_in(revision: Revision, step: &str, moment: Moment, times: [usize; 4], expected: &Value) {
    let fixture = Fixture::of(DOCUMENT);
    let server = fixture.start(SEED).await;
    upload(server.url(), "file-1", "Hello").await;
    server.stop().await.expect("the server stops when asked");

    let server = fixture.start(SEED.into_iter().chain(["--slow", "1500"])).await;
    let key = new_key();
    cut_off(&fixture, server, revision, &key, step, moment).await;

    let mut server = fixture.start(SEED).await;
    if expected["status"] == "success" {
        server.logged(&[ATTEMPT_BEGINS, step]).await.expect("the step is run again with nobody asking");
    }
    let client = Client::connect(server.url(), revision).await.expect("the server answers");
    let arguments = in_german("file-1");
    let result = client.request("process_document", &arguments, Some(&key)).await.expect("the call is answered");
    let mut answer = structured_content("process_document", &result).expect("the result is no error");
    let job_id = answer.as_object_mut().and_then(|answer| answer.remove("job_id")).expect("the job has an id");
    assert_eq!(&answer, expected);

    let status = client.request("get_job_status", &json!({ "job_id": job_id }), None).await;
    let status = structured_content("get_job_status", &status.expect("the call is answered"));
    let status = status.expect("the result is no error");
    assert_eq!(status["status"], expected["status"], "{status}");
    assert_eq!(status["job"]["result"], expected["result"], "{status}");
    client.close().await;
    let effects = fixture.effects().read().expect("the effects file can be read");
    let happened = STEPS.map(|step| effects.iter().filter(|effect| effect.step == step).count());
    assert_eq!(happened, times, "{effects:?}");
    fixture.stop_and_validate(server).await;
}

/// Makes the call, and kills the server and the caller at a moment of a step.
async fn cut_off(
    fixture: &Fixture,
    mut server: RunningServer,
    revision: Revision,
    key: &str,
    step: &str,
    moment: Moment,
) {
    let caller = tokio::spawn({
        let (url, key) = (server.url().to_owned(), key.to_owned());
        async move {
            let client = Client::connect(&url, revision).await?;
            client.request("process_document", &in_german("file-1"), Some(&key)).await
        }
    });
    match moment {
        Moment::BeforeEffect => server.logged(&[ATTEMPT_BEGINS, step]).await.expect("the attempt begins"),
        Moment::AfterEffect => {
            fixture.effects().wait_for(step).await.expect("the step has its effect");
        }
    }
    server.kill().await.expect("the server can be killed");
    caller.abort();
}
