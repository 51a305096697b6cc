//! What the server says that it can do.

use rmcp::model::ServerCapabilities;

use super::handler::Handler;

impl Handler {
    /// What the server has.
    #[expect(deprecated, reason = "logging is deprecated in the protocol, and clients of 2025-11-25 have it")]
    pub(super) fn capabilities(&self) -> ServerCapabilities {
        let contract = &self.server.parts.contract;
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_logging()
            .enable_tasks()
            .build();
        if !contract.prompts.is_empty() {
            let prompts = ServerCapabilities::builder().enable_prompts().enable_prompts_list_changed().build();
            capabilities.prompts = prompts.prompts;
        }
        if !contract.resources.is_empty() || !contract.templates.is_empty() {
            let builder = ServerCapabilities::builder().enable_resources();
            let resources = builder.enable_resources_list_changed().enable_resources_subscribe().build();
            capabilities.resources = resources.resources;
        }
        if contract.has_completions {
            capabilities.completions = ServerCapabilities::builder().enable_completions().build().completions;
        }
        if let Some(beside) = &self.server.parts.beside {
            let theirs = beside.capabilities();
            capabilities.prompts = capabilities.prompts.or(theirs.prompts);
            capabilities.resources = capabilities.resources.or(theirs.resources);
            capabilities.completions = capabilities.completions.or(theirs.completions);
            capabilities.experimental = capabilities.experimental.or(theirs.experimental);
        }
        capabilities
    }
}
