//! The binaries of the examples, built.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::process::Command;

/// Where the binaries are.
#[derive(Debug)]
pub(crate) struct Programs {
    by_name: BTreeMap<String, PathBuf>,
}

/// The part of cargo's messages that tells where a binary went.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

impl Programs {
    /// Builds the servers and clients of these examples, for `cargo run` builds no more than the harness.
    pub(crate) async fn build(examples: impl Iterator<Item = &str>) -> anyhow::Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let profile = profile();
        // The whole workspace, as with `cargo run` at its root: the features of the dependencies are the same then, and
        // none of them is built a second time.
        let mut arguments = vec!["build", "--workspace", "--profile", &profile];
        let binaries: Vec<_> = examples.flat_map(|name| [name.to_owned(), client_of(name)]).collect();
        arguments.extend(binaries.iter().flat_map(|name| ["--bin", name]));
        println!("building the examples: cargo {}", arguments.join(" "));
        let output = Command::new(&cargo)
            .args(arguments)
            .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
            .arg(&manifest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run `{}`", cargo.display()))?
            .wait_with_output()
            .await
            .context("cannot wait for cargo")?;
        ensure!(output.status.success(), "the examples cannot be built: cargo ended with {}", output.status);
        let by_name = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
            .filter_map(|message| Some((message.target?.name, message.executable?)))
            .collect();
        Ok(Self { by_name })
    }

    /// Gives the path of a binary.
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<&Path> {
        let path = self.by_name.get(name);
        path.map(PathBuf::as_path).with_context(|| format!("cargo has built no binary `{name}`"))
    }
}

/// Tells the profile that the harness itself was built with: cargo names the directory after it.
fn profile() -> String {
    let executable = env::current_exe().unwrap_or_default();
    let directory = executable.parent().and_then(Path::file_name);
    match directory.and_then(|name| name.to_str()) {
        None | Some("debug") => "dev".to_owned(),
        Some(profile) => profile.to_owned(),
    }
}

/// Gives the name of an example's client.
pub(crate) fn client_of(example: &str) -> String {
    format!("{example}-client")
}
