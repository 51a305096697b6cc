//! A document on its way through two services, each asked at most once.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::{Uuid, uuid};

use crate::{error::ServiceError, service::Services};

mod error;
mod service;

const FILES: SortedMap<Upload> = SortedMap::new("files");
const JOBS: SortedMap<JobRecord> = SortedMap::new("jobs");

// Job ids are names in this namespace, so the same file and language have the same job in every run.
const JOB_NAMES: Uuid = uuid!("b8b2f0c4-7d43-4c58-8e0b-2d9d8b0c6a1e");

/// A row of the table `files`.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    file_id: String,
    content: String,
    metadata: BTreeMap<String, String>,
}

/// A row of the table `jobs`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct JobRecord {
    job_id: String,
    file_id: String,
    target_language: String,
    status: JobStatus,
    result: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum JobStatus {
    Completed,
}

/// Uploads a file, in place of one with the same id.
#[durable_tool]
async fn upload_file(
    cx: &DurableContext,
    /// The id by which the file is found again.
    file_id: String,
    /// The file's content.
    content: String,
    /// What else there is to say about the file.
    metadata: Option<BTreeMap<String, String>>,
) -> Result<Uploaded, ToolError> {
    let file = Upload { file_id: file_id.clone(), content, metadata: metadata.unwrap_or_default() };
    // A table's operation in the body happens exactly once, and needs no marker.
    FILES.insert(cx, [(file_id.as_str(), file)]).await?;
    Ok(Uploaded::Success { file_id })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Uploaded {
    Success { file_id: String },
}

/// Extracts the text of an uploaded file, translates it, and keeps the result as a job.
///
/// Each of the two services is asked at most once. Only when it cannot be reached is it asked again.
#[durable_tool]
async fn process_document(
    cx: &DurableContext,
    services: State<Services>,
    /// The id under which the file was uploaded.
    file_id: String,
    /// The language to translate into.
    #[arg(default = "en")]
    target_language: String,
) -> Result<Processed, ToolError> {
    let job_id = job_id(&file_id, &target_language);

    // That there is no such file is no error of the step: another attempt would not find it either.
    #[once(at_least)]
    let file = find_file(cx, &file_id).await?;
    let Some(file) = file else {
        return Ok(Processed::not_found(job_id, &file_id));
    };

    #[once(at_most, retry(attempts = 3, initial = "200ms"), retry_on(ServiceError::Network(_)))]
    let text = recognize(cx, &services, &file).await;
    let text = match text {
        Ok(text) => text,
        Err(error) => return Ok(Processed::failed(job_id, Stage::Ocr, &error)),
    };

    #[once(at_most, retry(attempts = 3, initial = "200ms"), retry_on(ServiceError::Network(_)))]
    let translation = translate(cx, &services, &file_id, &target_language, &text).await;
    let result = match translation {
        Ok(translation) => translation,
        Err(error) => return Ok(Processed::failed(job_id, Stage::Translation, &error)),
    };

    #[once(at_least)]
    store_job(cx, &job_id, &file_id, &target_language, &result).await?;

    Ok(Processed::Success { job_id, result })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Processed {
    Success { job_id: String, result: String },
    Error { job_id: String, step: Stage, error: String, retryable: bool },
}

/// Where the processing of a document can end without a result.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Lookup,
    Ocr,
    Translation,
}

impl Processed {
    fn not_found(job_id: String, file_id: &str) -> Self {
        Self::Error { job_id, step: Stage::Lookup, error: format!("File {file_id} not found"), retryable: false }
    }

    fn failed(job_id: String, step: Stage, error: &ServiceError) -> Self {
        let service = if matches!(step, Stage::Ocr) { "OCR" } else { "Translation" };
        let text = match error {
            ServiceError::Network(_) => format!("{service} service unavailable"),
            ServiceError::InDoubt(_) => {
                format!(
                    "{service} was begun by a previous attempt that never finished; ask the service what became of it"
                )
            }
            ServiceError::InvalidDocument(_) | ServiceError::QuotaExceeded(_) => error.to_string(),
        };
        Self::Error { job_id, step, error: text, retryable: error.is_retryable() }
    }
}

fn job_id(file_id: &str, language: &str) -> String {
    // As JSON, so that no two pairs have one name.
    let name = json!([file_id, language]).to_string();
    format!("job_{}", Uuid::new_v5(&JOB_NAMES, name.as_bytes()).simple())
}

async fn find_file(cx: &StepContext, file_id: &str) -> Result<Option<Upload>, ToolError> {
    Ok(effect(cx, FILES.get(cx, file_id)).await?)
}

async fn recognize(cx: &StepContext, services: &Services, file: &Upload) -> Result<String, ServiceError> {
    effect(cx, async { services.recognize(cx.attempt(), &file.file_id, &file.content) })
        .await
        .inspect_err(|error| tracing::warn!(%error, attempt = cx.attempt(), "no OCR"))
}

async fn translate(
    cx: &StepContext,
    services: &Services,
    file_id: &str,
    language: &str,
    text: &str,
) -> Result<String, ServiceError> {
    effect(cx, async { services.translate(cx.attempt(), file_id, language, text) })
        .await
        .inspect_err(|error| tracing::warn!(%error, attempt = cx.attempt(), "no translation"))
}

async fn store_job(
    cx: &StepContext,
    job_id: &str,
    file_id: &str,
    target_language: &str,
    result: &str,
) -> Result<(), ToolError> {
    let job = JobRecord {
        job_id: job_id.to_owned(),
        file_id: file_id.to_owned(),
        target_language: target_language.to_owned(),
        status: JobStatus::Completed,
        result: result.to_owned(),
    };
    effect(cx, JOBS.insert(cx, [(job_id, job)])).await?;
    Ok(())
}

/// Looks up a job and its result.
#[durable_tool(read_only)]
async fn get_job_status(
    cx: &ReadContext,
    /// The id that `process_document` gave.
    job_id: String,
) -> Result<FoundJob, ToolError> {
    Ok(match JOBS.get(cx, &job_id).await? {
        Some(job) => FoundJob::Success { job },
        None => FoundJob::Error { message: "Job not found".to_owned() },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum FoundJob {
    Success { job: JobRecord },
    Error { message: String },
}

#[derive(Debug, Parser)]
#[command(name = "document", about = "Serves the example `document`: two services, each asked at most once", version)]
struct Flags {
    #[command(flatten)]
    server: ServerFlags,

    /// Seed of the services' failures: the same one gives the same failures [default: by chance, and logged]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    server::exit_code(run(&flags).await)
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    server::prepare(&flags.server)?;
    let seed = flags.seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    tracing::info!(seed, "the services fail by this seed");
    let document = Server::builder("document", env!("CARGO_PKG_VERSION"))
        .store(flags.server.store_of("document")?)
        .instructions("Takes files, extracts and translates their text, and looks up the results.")
        .state(Services::with_seed(seed))
        .tool(upload_file)
        .tool(process_document)
        .tool(get_job_status);
    server::serve(document, &flags.server).await
}

#[cfg(test)]
mod tests;
