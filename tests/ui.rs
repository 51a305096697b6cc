//! What the macros refuse, and the text of every refusal. What they accept is in `accepted`.
//!
//! Each file of `ui/fail` is named after one mistake and has the compiler's message beside it. After a change of a
//! message, `TRYBUILD=overwrite cargo test -p durable-tests --test ui` writes the new ones; read them before they are
//! kept.

use std::fs;
use std::path::Path;

#[test]
fn macros_refuse_every_mistake_at_its_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
}

#[test]
fn every_message_is_on_the_page_of_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = without_names(&fs::read_to_string(root.join("../docs/messages.md")).expect("the page"));
    let mut missing = Vec::new();
    for file in fs::read_dir(root.join("ui/fail")).expect("the files") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("messages");
        // Those of the compiler itself have a code.
        for message in text.lines().filter_map(|line| line.strip_prefix("error: ")) {
            let message = without_names(message);
            let beginning = message.split(": ").next().unwrap_or_default();
            if !page.contains(&format!("| {beginning} |")) {
                missing.push(format!("{beginning} ({})", path.display()));
            }
        }
    }
    assert_eq!(missing, <[String; 0]>::default());
}

/// The text with ` `` ` in place of everything between backticks.
fn without_names(text: &str) -> String {
    let kept: Vec<&str> = text.split('`').step_by(2).collect();
    kept.join("``")
}
