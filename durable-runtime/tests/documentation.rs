//! Every code that an error or a parked call can have is explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Texts of the sources that look like codes and are none.
const NO_CODES: [&str; 16] = [
    "at_least",
    "at_most",
    "cleanly_opened",
    "cleanly_stopped",
    "close_stream",
    "duration_seconds",
    "journals_deleted",
    "fix_call",
    "get_many",
    "idempotency_key",
    "resource_link",
    "reverse_page",
    "reverse_range",
    "session_wish",
    "snake_case",
    "try_join",
];

/// All literals of a file that have the form of a code, its tests left out.
fn codes(source: &str, codes: &mut BTreeSet<String>) {
    let tested = source.find("#[cfg(test)]").unwrap_or(source.len());
    let without_comments = source[..tested].lines().filter(|line| !line.trim_start().starts_with("//"));
    for line in without_comments {
        let literals = line.split('"').skip(1).step_by(2);
        codes.extend(
            literals
                .filter(|text| text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
                .filter(|text| !NO_CODES.contains(text))
                .map(str::to_owned),
        );
    }
}

fn read_all(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            read_all(&entry, found);
        } else if entry.file_name().is_some_and(|name| name != "tests.rs" && name != "fuzzing.rs") {
            codes(&fs::read_to_string(&entry).expect("a source"), found);
        }
    }
}

#[test]
fn every_code_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    read_all(&root.join("src"), &mut found);
    assert!(found.contains("store_held") && found.contains("unclean_ends"), "{found:?}");
    let pages =
        ["errors.md", "store.md"].map(|page| fs::read_to_string(root.join("../docs").join(page)).expect("a page"));
    let unexplained: Vec<&String> =
        found.iter().filter(|code| !pages.iter().any(|page| page.contains(&format!("`{code}`")))).collect();
    assert!(unexplained.is_empty(), "docs/errors.md or docs/store.md must explain {unexplained:?}");
}
