#!/usr/bin/env python3
"""What an author pays in build time: the smallest server, over HTTP and over standard input and output, against plain rmcp.

    tests/bench/build_cost.py            # three clean release builds and a few rebuilds: ten minutes
    tests/bench/build_cost.py --check    # only that the servers compile, in the workspace's own target directory

A clean build has its dependencies downloaded already. A rebuild is that after an edit of the text that the tool gives.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from table import Row, markdown

ROOT = Path(__file__).resolve().parents[2]
EDITED = "Hello, "
REBUILDS = 5

DURABLE = """
use durable_runtime::prelude::*;

/// Greets.
#[durable_tool(read_only)]
async fn greet(_cx: &ReadContext, name: String) -> Result<String, ToolError> {
    Ok(format!("Hello, {name}!"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = Server::builder("greeter", "1.0.0").store("greeter.redb").tool(greet).open().await?;
    server.serve_http("127.0.0.1:9991").await
}
"""

# Without the feature `http`.
STDIO = DURABLE.replace('serve_http("127.0.0.1:9991")', "serve_stdio()")

PLAIN = """
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Arguments {
    name: String,
}

#[derive(Clone)]
struct Greeter;

#[tool_router]
impl Greeter {
    /// Greets.
    #[tool]
    async fn greet(&self, Parameters(arguments): Parameters<Arguments>) -> String {
        format!("Hello, {}!", arguments.name)
    }
}

#[tool_handler]
impl ServerHandler for Greeter {}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (sessions, config) = (LocalSessionManager::default(), StreamableHttpServerConfig::default());
    let service = StreamableHttpService::new(|| Ok(Greeter), sessions.into(), config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:9991").await?;
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await
}
"""


def dependencies(kind):
    """The lines of the manifest, with the versions of the workspace."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]

    def version(name):
        found = workspace[name]
        return found if isinstance(found, str) else found["version"]

    tokio = f'tokio = {{ version = "{version("tokio")}", features = ["macros", "net", "rt-multi-thread"] }}'
    if kind != "plain":
        features = ", default-features = false" if kind == "stdio" else ""
        return f'durable-runtime = {{ path = "{ROOT / "durable-runtime"}"{features} }}\n{tokio}\n'
    served = '["server", "macros", "transport-streamable-http-server"]'
    return (
        f'rmcp = {{ version = "{version("rmcp")}", default-features = false, features = {served} }}\n'
        f'axum = {{ version = "{version("axum")}", default-features = false, features = ["http1", "tokio"] }}\n'
        f'schemars = "{version("schemars")}"\nserde = {{ version = "{version("serde")}", features = ["derive"] }}\n{tokio}\n'
    )


class Crate:
    """A server of its own, outside of the workspace."""

    def __init__(self, directory, kind, target):
        self.path, self.target = directory / f"{kind}-server", target or directory / f"{kind}-target"
        (self.path / "src").mkdir(parents=True)
        manifest = f'[package]\nname = "{kind}-server"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n\n[dependencies]\n'
        (self.path / "Cargo.toml").write_text(manifest + dependencies(kind))
        # The same versions in both, and no look at the registry.
        shutil.copyfile(ROOT / "Cargo.lock", self.path / "Cargo.lock")
        self.source = self.path / "src/main.rs"
        self.source.write_text({"durable": DURABLE, "stdio": STDIO, "plain": PLAIN}[kind])
        self.kind = kind

    def cargo(self, *arguments):
        """Runs cargo, and gives seconds, CPU seconds and what it said."""
        environment = {**os.environ, "CARGO_TARGET_DIR": str(self.target)}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(["cargo", *arguments], cwd=self.path, env=environment, stderr=subprocess.PIPE, text=True)
        elapsed, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.exit(done.stderr)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return elapsed, cpu, done.stderr

    def measure(self):
        """A clean release build, and rebuilds after edits, for release and for development."""
        self.cargo("fetch")
        elapsed, cpu, said = self.cargo("build", "--release")
        figures = {"clean release build": (elapsed, "s"), "CPU of that": (cpu, "s")}
        figures["crates compiled"] = (float(said.count("Compiling ")), "")
        binary = self.target / "release" / f"{self.kind}-server"
        figures["size of the binary"] = (binary.stat().st_size / 1e6, "MB")
        figures["rebuild for release after an edit"] = (self.rebuild("--release"), "s")
        self.cargo("build")
        figures["rebuild for development after an edit"] = (self.rebuild(), "s")
        return figures

    def rebuild(self, *arguments):
        text, times = self.source.read_text(), []
        for turn in range(REBUILDS):
            self.source.write_text(text.replace(EDITED, f"{EDITED}{turn} "))
            times.append(self.cargo("build", *arguments)[0])
        self.source.write_text(text)
        return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check that the servers compile")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        target = ROOT / "target" if asked.check else None
        crates = [Crate(Path(directory), kind, target) for kind in ("durable", "stdio", "plain")]
        if asked.check:
            for crate in crates:
                crate.cargo("check", "--offline")
            return
        ours, stdio, plain = [crate.measure() for crate in crates]
    rows = []
    for name in ours:
        rows.append(Row(name, *ours[name], plain[name][0], "plain rmcp"))
        rows.append(Row(f"{name}, without the feature `http`", *stdio[name], plain[name][0], "plain rmcp"))
    print(markdown(rows))


if __name__ == "__main__":
    main()
