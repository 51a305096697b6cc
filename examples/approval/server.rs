//! A release that a person approves in the middle: built before the question, published after it.

use std::process::ExitCode;

use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RELEASES: SortedMap<String> = SortedMap::new("releases");

/// What the person is asked.
#[derive(Debug, Deserialize, JsonSchema)]
struct Approval {
    /// Whether this build goes to everybody
    approve: bool,
    /// What the users should know
    note: Option<String>,
}

/// Builds a release, asks a person whether to publish it, and publishes it.
///
/// The answer may take a day. A restart of the server in the meantime changes nothing: it is not built again, and the question
/// is still there.
#[durable_tool]
async fn release(
    cx: &DurableContext,
    /// What is released.
    name: String,
    /// Its version.
    version: String,
) -> Result<Released, ToolError> {
    cx.progress(0.0, Some(3.0), "building");
    #[once(at_least)]
    let artifact = build(cx, &name, &version).await?;

    cx.progress(1.0, Some(3.0), "waiting for an approval");
    let question = format!("Publish {artifact}?");
    let note = match cx.elicit::<Approval>(question).named("approval").await {
        Elicited::Accepted(Approval { approve: true, note }) => note,
        Elicited::Accepted(Approval { approve: false, .. }) | Elicited::Declined => return Ok(Released::Rejected),
        Elicited::Cancelled | Elicited::Expired => return Ok(Released::Unanswered),
        Elicited::Unavailable(why) => {
            return Err(ToolError::new(format!("nobody can be asked to approve this: {why}")));
        }
    };

    cx.progress(2.0, Some(3.0), "publishing");
    #[once(at_most)]
    publish(cx, &artifact, note.as_deref()).await?;
    cx.progress(3.0, Some(3.0), "published");
    Ok(Released::Published { artifact, note })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Released {
    Published { artifact: String, note: Option<String> },
    Rejected,
    Unanswered,
}

async fn build(cx: &StepContext, name: &str, version: &str) -> Result<String, ToolError> {
    Ok(effect(cx, async { format!("{name}-{version}.tar") }).await)
}

async fn publish(cx: &StepContext, artifact: &str, note: Option<&str>) -> Result<(), ToolError> {
    effect(cx, RELEASES.insert(cx, [(artifact, note.unwrap_or_default().to_owned())])).await?;
    Ok(())
}

/// Lists what is published.
#[durable_tool(read_only)]
async fn releases(cx: &ReadContext) -> Result<Published, ToolError> {
    let published = RELEASES.range(cx, .., 100).await?;
    Ok(Published { artifacts: published.into_iter().map(|(artifact, _)| artifact).collect() })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Published {
    artifacts: Vec<String>,
}

#[derive(Debug, Parser)]
#[command(name = "approval", about = "Serves the example `approval`: a release that a person approves", version)]
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
    let approval = Server::builder("approval", env!("CARGO_PKG_VERSION"))
        .store(flags.store_of("approval")?)
        .instructions("Builds and publishes releases. A person approves each.")
        .tool(release)
        .tool(releases);
    server::serve(approval, flags).await
}
