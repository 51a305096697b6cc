//! The flags that every example understands.

use std::path::PathBuf;

use anyhow::ensure;

/// What an example server can be told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerFlags {
    /// Address to listen on, at the path `/mcp`; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9991", conflicts_with = "stdio")]
    pub listen: String,

    /// File that keeps the journals and tables [default: the example's name with `.redb`]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Serve one client on standard input and output in place of HTTP
    #[arg(long)]
    pub stdio: bool,

    /// Append a line `tool step invocation attempt` to this file whenever an attempt has its effect
    #[arg(long, value_name = "FILE")]
    pub effects: Option<PathBuf>,

    /// Milliseconds that each attempt waits before and after its effect, so that a kill can be aimed
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub slow: u64,

    /// Replay every call in the store that has ended, print what differs from its journal, one line each, and serve nothing
    #[arg(long, conflicts_with = "stdio")]
    pub validate: bool,
}

impl ServerFlags {
    /// Gives the store's file: the one that was named, or else `<example>.redb` in the working directory.
    ///
    /// # Errors
    ///
    /// When it is to be validated and does not exist: an empty store would be made, and found to be in order.
    pub fn store_of(&self, example: &str) -> anyhow::Result<PathBuf> {
        let store = self.store.clone().unwrap_or_else(|| PathBuf::from(format!("{example}.redb")));
        ensure!(
            !self.validate || store.exists(),
            "there is no store `{}` to validate; name one with `--store FILE`",
            store.display()
        );
        Ok(store)
    }
}

/// What an example client can be told on its command line.
#[derive(Debug, Clone, clap::Parser)]
#[command(about = "Calls the example's tools and checks what comes back", version)]
pub struct ClientFlags {
    /// Where the server is
    #[arg(default_value = "http://127.0.0.1:9991/mcp")]
    pub url: String,

    /// Protocol revision to speak
    #[arg(long, value_enum, default_value_t = Revision::November2025)]
    pub protocol: Revision,

    /// Make one call of this tool, print its result, and do nothing else
    #[arg(long, value_name = "TOOL")]
    pub call: Option<String>,

    /// Arguments of that call, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", requires = "call")]
    pub arguments: String,

    /// Idempotency key of that call: the same key again gives the same invocation's result
    #[arg(long, value_name = "KEY", requires = "call")]
    pub key: Option<String>,
}

/// A revision of the Model Context Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Revision {
    /// With `initialize` and sessions.
    #[value(name = "2025-11-25")]
    November2025,
    /// Stateless, with `_meta` on each request.
    #[value(name = "2026-07-28")]
    July2026,
}

impl Revision {
    /// The revision as the protocol names it.
    pub fn version(self) -> &'static str {
        match self {
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }
}
