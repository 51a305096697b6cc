//! What dependencies may be, as `deny.toml` says: their licences, and where they come from. `cargo deny` says more, but is not
//! on every machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(ROOT).output().expect("the tool that builds this");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The packages that are built on this machine.
fn packages() -> Vec<Value> {
    let rustc = output("rustc", &["-vV"]);
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let metadata =
        output(&cargo, &["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    let mut metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    serde_json::from_value(metadata["packages"].take()).expect("packages")
}

/// The licences that `deny.toml` allows.
fn allowed() -> Vec<String> {
    let rules = fs::read_to_string(Path::new(ROOT).join("deny.toml")).expect("the rules");
    let list = rules.split("[licenses]\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("a list");
    list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether an SPDX expression, with `/` as the older form of `OR`, can be met by what is allowed.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    expression.replace('/', " OR ").split(" AND ").all(|part| {
        part.trim_matches(['(', ')', ' '])
            .split(" OR ")
            .any(|licence| allowed.iter().any(|name| name == licence.trim()))
    })
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed_and_comes_from_the_registry() {
    let allowed = allowed();
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| {
            let licence = package["license"].as_str().unwrap_or_default();
            let is_ours = package["source"].is_null() && package["manifest_path"].as_str().is_some_and(is_in_workspace);
            let is_of_registry =
                package["source"].as_str() == Some("registry+https://github.com/rust-lang/crates.io-index");
            !is_met(licence, &allowed) || !(is_ours || is_of_registry)
        })
        .map(|package| format!("{} ({}, from {})", package["name"], package["license"], package["source"]))
        .collect();
    assert_eq!(refused, <[String; 0]>::default());
}

fn is_in_workspace(manifest: &str) -> bool {
    let root = Path::new(ROOT).canonicalize().expect("the workspace");
    Path::new(manifest).starts_with(root)
}

#[test]
fn licences_are_read_as_they_are_meant() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    for met in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for not_met in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT-0"] {
        assert!(!is_met(not_met, &allowed), "{not_met}");
    }
}
