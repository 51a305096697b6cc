//! The server that the official conformance suite asks for, written with the macros of the framework.

mod content;
mod prompt;
mod question;
mod resource;
mod schema;
mod task;

use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;

static SERVER: OnceLock<Server> = OnceLock::new();

/// Tells clients that the list of tools has changed.
#[durable_tool]
async fn test_trigger_tool_change(cx: &DurableContext) -> Result<String, ToolError> {
    #[once(at_least)]
    tell(cx, |server: &Server| server.tools_changed()).await?;
    Ok("told".to_owned())
}

/// Tells clients that the list of prompts has changed.
#[durable_tool]
async fn test_trigger_prompt_change(cx: &DurableContext) -> Result<String, ToolError> {
    #[once(at_least)]
    tell(cx, |server: &Server| server.prompts_changed()).await?;
    Ok("told".to_owned())
}

async fn tell(cx: &StepContext, what: impl Fn(&Server)) -> Result<(), ToolError> {
    let server = SERVER.get().ok_or_else(|| ToolError::new("the server is not open yet"))?;
    effect(cx, async { what(server) }).await;
    Ok(())
}

#[derive(Debug, Parser)]
#[command(name = "conformance", about = "Serves what the official conformance suite asks for", version)]
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
    let conformance = Server::builder("conformance", env!("CARGO_PKG_VERSION"))
        .store(flags.store_of("conformance")?)
        .instructions("For the conformance suite of the Model Context Protocol.")
        .tools(content::tools())
        .tools(question::tools())
        .tools(task::tools())
        .tools(tools![schema::json_schema_2020_12_tool, test_trigger_tool_change, test_trigger_prompt_change])
        .prompt(prompt::test_simple_prompt)
        .prompt(prompt::test_prompt_with_arguments)
        .prompt(prompt::test_prompt_with_embedded_resource)
        .prompt(prompt::test_prompt_with_image)
        .prompt(prompt::test_input_required_result_prompt)
        .resource(resource::static_text)
        .resource(resource::static_binary)
        .resource(resource::watched)
        .resource(resource::template)
        .open()
        .await?;
    SERVER.get_or_init(|| conformance.clone());
    server::serve_open(conformance, flags).await
}
