//! The boundaries between the runtime's modules, as `docs` and reviewers rely on them: what may be replaced by changing
//! one directory or one file is named nowhere else.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// A file's tokens; what comments and literals say does not count.
fn tokens(source: &str) -> Vec<String> {
    fn flatten(stream: TokenStream, tokens: &mut Vec<String>) {
        for token in stream {
            match token {
                TokenTree::Group(group) => {
                    tokens.push("(".to_owned());
                    flatten(group.stream(), tokens);
                    tokens.push(")".to_owned());
                }
                TokenTree::Literal(_) => tokens.push("0".to_owned()),
                name_or_sign => tokens.push(name_or_sign.to_string()),
            }
        }
    }
    let mut tokens = Vec::new();
    flatten(source.parse().expect("the file is Rust"), &mut tokens);
    tokens
}

/// Whether a path can go on after this token; after `use` it begins.
fn is_segment(token: &str) -> bool {
    let keywords = ["as", "dyn", "for", "impl", "in", "let", "mut", "return", "use", "where"];
    token.starts_with(|first: char| first.is_alphabetic() || first == '_') && !keywords.contains(&token)
}

/// Whether the path that goes on at `index` began before it: `store::redb` is not the crate `redb`.
fn is_within_a_path(tokens: &[String], index: usize) -> bool {
    index >= 3 && tokens[index - 1] == ":" && tokens[index - 2] == ":" && is_segment(&tokens[index - 3])
}

/// Whether the crate is named: at the begin of a path, in a `use` or anywhere else.
fn names_crate(tokens: &[String], name: &str) -> bool {
    (0..tokens.len()).any(|index| {
        let is_module = index > 0 && tokens[index - 1] == "mod";
        tokens[index] == name && !is_module && !is_within_a_path(tokens, index)
    })
}

/// What of the crate is named other than the traits `Encode` and `Decode`, which are derives and bounds.
fn uses_more_of_bincode(tokens: &[String]) -> bool {
    tokens.iter().enumerate().any(|(index, token)| {
        if token != "bincode" {
            return false;
        }
        let [first, second, rest @ ..] = &tokens[index + 1..] else {
            return true;
        };
        let is_trait = |token: &String| token == "Encode" || token == "Decode";
        match rest.first() {
            _ if first != ":" || second != ":" => true,
            Some(open) if open == "(" => {
                !rest[1..].iter().take_while(|token| *token != ")").all(|token| is_trait(token) || token == ",")
            }
            Some(name) => !is_trait(name),
            None => true,
        }
    })
}

/// Whether chance says which of several futures is polled first.
fn has_unbiased_select(tokens: &[String]) -> bool {
    tokens.windows(4).any(|tokens| tokens[..3] == ["select", "!", "("] && tokens[3] != "biased")
}

/// What is wrong with a file of the runtime; its path is relative to `src`.
fn breach(path: &str, source: &str) -> Option<&'static str> {
    let tokens = tokens(source);
    if !path.starts_with("store/redb/") && names_crate(&tokens, "redb") {
        return Some("only `store/redb` names `redb`: go through the traits of `store`");
    }
    if !path.starts_with("mcp/") && names_crate(&tokens, "rmcp") {
        return Some("only `mcp` names `rmcp`: give the protocol's types a form of our own there");
    }
    if path != "journal/codec.rs" && uses_more_of_bincode(&tokens) {
        return Some("only `journal/codec.rs` calls `bincode`: elsewhere only `Encode` and `Decode` are named");
    }
    if path.starts_with("engine/") && has_unbiased_select(&tokens) {
        return Some("in the engine `select!` is `biased`, or a simulation of it is not the same each time");
    }
    let impure = ["tokio", "store", "Store", "redb"];
    if path == "journal/replay.rs" && tokens.iter().any(|token| impure.contains(&token.as_str())) {
        return Some("`journal/replay.rs` names neither a store nor tokio: it is a pure function of the records");
    }
    None
}

fn breaches(directory: &Path, under: &str, found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let entry = entry.expect("the sources can be listed");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = format!("{under}{name}");
        if entry.path().is_dir() {
            files += breaches(&entry.path(), &format!("{path}/"), found);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let source = fs::read_to_string(entry.path()).expect("the sources can be read");
            if let Some(breach) = breach(&path, &source) {
                found.push(format!("{path}: {breach}"));
            }
        }
    }
    files
}

#[test]
fn modules_of_the_runtime_name_only_what_is_theirs() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../durable-runtime/src");
    for file in ["store/redb/mod.rs", "mcp/handler.rs", "journal/codec.rs", "journal/replay.rs"] {
        assert!(sources.join(file).exists(), "`{file}` is not where the boundaries expect it");
    }
    let mut found = Vec::new();
    let files = breaches(&sources, "", &mut found);
    assert!(files > 40, "only {files} files are seen");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_way_to_name_a_crate_is_a_breach() {
    let sources = [
        ("engine/mod.rs", "use redb::Database;"),
        ("engine/mod.rs", "use ::redb::Database;"),
        ("engine/mod.rs", "use {redb::Database, std::fmt};"),
        ("store/mod.rs", "fn f() { let db: redb::Database; }"),
        ("store/mod.rs", "extern crate redb as store;"),
        ("store/commit.rs", "macro_rules! m { () => { redb::f() } }"),
        ("store/redb.rs", "use redb::Database;"),
        ("engine/mod.rs", "use rmcp::ErrorData;"),
        ("error.rs", "impl From<rmcp::ErrorData> for Error {}"),
        ("mcp.rs", "use rmcp as protocol;"),
        ("engine/driver.rs", "fn f() { bincode::encode_to_vec(1, c) }"),
        ("journal/record.rs", "use bincode::{Decode, config};"),
        ("journal/record.rs", "use bincode::*;"),
        ("journal/record.rs", "use bincode as b;"),
        ("engine/timer.rs", "async fn f() { tokio::select! { () = a => {} () = b => {} } }"),
        ("journal/replay.rs", "use crate::store::Row;"),
        ("journal/replay.rs", "fn f(store: &dyn Store) {}"),
        ("journal/replay.rs", "async fn f() { tokio::task::yield_now().await }"),
    ];
    for (path, source) in sources {
        assert!(breach(path, source).is_some(), "{path}: {source}");
    }
}

#[test]
fn what_belongs_to_a_module_or_only_sounds_like_a_crate_is_no_breach() {
    let sources = [
        ("store/mod.rs", "pub mod redb;"),
        ("engine/timer.rs", "async fn f() { tokio::select! { biased; () = a => {} () = b => {} } }"),
        ("mcp/builder.rs", "use crate::store::redb::{RedbBackend, RedbOptions};"),
        ("store/redb/open.rs", "use redb::Database;"),
        ("mcp/error.rs", "use rmcp::ErrorData;"),
        ("engine/mod.rs", "/// As redb and rmcp have it: `redb::Database`.\nfn f() { g(\"redb::Database\") }"),
        ("journal/record.rs", "use bincode::{Decode, Encode};"),
        ("engine/admission.rs", "fn f<T: bincode::Decode<()>>() {}"),
        ("journal/codec.rs", "use bincode::config::Configuration;"),
        ("journal/replay.rs", "//! Without a store, without tokio.\nuse super::record::Record;"),
    ];
    for (path, source) in sources {
        assert_eq!(breach(path, source), None, "{path}: {source}");
    }
}
