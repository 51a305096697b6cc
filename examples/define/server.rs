//! A glossary in several tables, which one transaction keeps in step.

use std::process::ExitCode;

use clap::Parser;
use durable_examples::{flags::ServerFlags, server};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::glossary::{CATEGORIES, Entry, RECENT, TERMS};

mod glossary;

/// Lists show this many characters of a definition.
const SHORT: usize = 100;

/// Adds a term to the glossary, in place of one of the same name in any case.
#[durable_tool]
async fn add_term(
    cx: &DurableContext,
    /// The term to define.
    term: String,
    /// What it means.
    definition: String,
    /// The category to find it in.
    #[arg(default = "general")]
    category: String,
    /// How it is used.
    examples: Option<Vec<String>>,
) -> Result<Added, ToolError> {
    let id = cx.uuid7();
    // The time that is in the key, so that order and time agree.
    let timestamp = glossary::milliseconds(id);
    let examples = examples.unwrap_or_default();
    let entry = Entry { term: term.clone(), definition, category, examples, timestamp };
    cx.transaction(move |tx| glossary::add(tx, id, &entry)).await?;
    Ok(Added::Success { term, timestamp })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Added {
    Success { term: String, timestamp: u64 },
}

/// Looks up a term, in any case.
#[durable_tool(read_only)]
async fn define(
    cx: &ReadContext,
    /// The term to look up.
    term: String,
) -> Result<Defined, ToolError> {
    Ok(match TERMS.get(cx, glossary::term_key(&term)).await? {
        Some(entry) => Defined::Success { term: entry },
        None => Defined::Error { message: format!("Term '{term}' not found in glossary") },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Defined {
    Success { term: Entry },
    Error { message: String },
}

/// Removes a term, in any case. That it was added stays among the recent terms.
#[durable_tool(destructive)]
async fn remove_term(
    cx: &DurableContext,
    /// The term to remove.
    term: String,
) -> Result<Removed, ToolError> {
    let key = glossary::term_key(&term);
    let was_there = cx.transaction(move |tx| glossary::remove(tx, &key)).await?;
    Ok(if was_there {
        Removed::Success { message: format!("Removed '{term}' from glossary") }
    } else {
        Removed::Error { message: format!("Term '{term}' not found") }
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Removed {
    Success { message: String },
    Error { message: String },
}

/// Lists terms in alphabetical order, with the beginnings of their definitions.
#[durable_tool(read_only)]
async fn list_terms(
    cx: &ReadContext,
    /// Where to begin: at this term, or the first one after it.
    #[arg(default = "")]
    start_with: String,
    /// How many terms at most.
    #[arg(default = 50)]
    limit: usize,
) -> Result<Listed, ToolError> {
    let rows = TERMS.range(cx, glossary::term_key(&start_with).., limit).await?;
    let terms: Vec<_> = rows.into_iter().map(|(_, entry)| Summary::shortened(entry)).collect();
    Ok(Listed::Success { count: terms.len(), terms })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Listed {
    Success { count: usize, terms: Vec<Summary> },
}

#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    term: String,
    definition: String,
    category: String,
}

impl Summary {
    fn shortened(entry: Entry) -> Self {
        Self { term: entry.term, definition: shortened(&entry.definition), category: entry.category }
    }
}

/// Gives a definition's first characters and `...`, or all of it if it is not longer.
fn shortened(definition: &str) -> String {
    match definition.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}...", &definition[..end]),
        None => definition.to_owned(),
    }
}

/// Lists the terms of a category in alphabetical order.
#[durable_tool(read_only)]
async fn browse_category(
    cx: &ReadContext,
    /// The category.
    category: String,
    /// How many terms at most.
    #[arg(default = 50)]
    limit: usize,
) -> Result<Browsed, ToolError> {
    let prefix = glossary::category_prefix(&category)?;
    let rows = CATEGORIES.prefix(cx, &prefix, limit).await?;
    let terms: Vec<_> = rows
        .into_iter()
        .map(|(_, entry)| TermInCategory { term: entry.term, definition: entry.definition, examples: entry.examples })
        .collect();
    Ok(Browsed::Success { category, count: terms.len(), terms })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Browsed {
    Success { category: String, count: usize, terms: Vec<TermInCategory> },
}

#[derive(Debug, Serialize, JsonSchema)]
struct TermInCategory {
    term: String,
    definition: String,
    examples: Vec<String>,
}

/// Lists the terms that were added last, newest first, also those that were removed since.
#[durable_tool(read_only)]
async fn recent_terms(
    cx: &ReadContext,
    /// How many terms at most.
    #[arg(default = 20)]
    limit: usize,
) -> Result<Recent, ToolError> {
    let rows = RECENT.reverse_range(cx, .., limit).await?;
    let recent_terms: Vec<_> = rows
        .into_iter()
        .map(|(_, entry)| RecentTerm { added_at: entry.timestamp, summary: Summary::shortened(entry) })
        .collect();
    Ok(Recent::Success { count: recent_terms.len(), recent_terms })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Recent {
    Success { count: usize, recent_terms: Vec<RecentTerm> },
}

#[derive(Debug, Serialize, JsonSchema)]
struct RecentTerm {
    #[serde(flatten)]
    summary: Summary,
    /// In milliseconds since the Unix epoch.
    added_at: u64,
}

/// Finds the terms that begin with a prefix, in any case.
#[durable_tool(read_only)]
async fn search_terms(
    cx: &ReadContext,
    /// What the terms begin with.
    prefix: String,
    /// How many terms at most.
    #[arg(default = 20)]
    limit: usize,
) -> Result<Found, ToolError> {
    let rows = TERMS.prefix(cx, glossary::term_key(&prefix), limit).await?;
    let terms: Vec<_> = rows
        .into_iter()
        .map(|(_, entry)| Summary { term: entry.term, definition: entry.definition, category: entry.category })
        .collect();
    Ok(Found::Success { prefix, count: terms.len(), terms })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Found {
    Success { prefix: String, count: usize, terms: Vec<Summary> },
}

#[derive(Debug, Parser)]
#[command(name = "define", about = "Serves the example `define`: a glossary in several tables that agree", version)]
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
    let define = Server::builder("define", env!("CARGO_PKG_VERSION"))
        .store(flags.store_of("define")?)
        .instructions("Keeps a glossary: adds, defines, removes, lists and searches terms.")
        .tools(tools![add_term, define, remove_term, list_terms, browse_category, recent_terms, search_terms]);
    server::serve(define, flags).await
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn definition_is_shortened_only_if_it_is_longer() {
        let whole = "ä".repeat(100);
        assert_eq!(shortened(&whole), whole);
        assert_eq!(shortened(&(whole.clone() + "b")), whole + "...");
        assert_eq!(shortened(""), "");
    }
}
