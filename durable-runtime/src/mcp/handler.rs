//! The handler of one connection: rmcp's requests, answered by the engine.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::error::protocol_error;
use super::server::Server;
use super::{idempotency, result};
use crate::engine::{Call, Refusal};
use crate::error::{Error, ErrorKind};

#[derive(Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    /// How calls come here: `http` or `stdio`.
    pub(super) origin: &'static str,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let parts = &self.server.parts;
        let config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(parts.name.clone(), parts.version.clone()));
        match &parts.instructions {
            Some(instructions) => config.with_instructions(instructions.clone()),
            None => config,
        }
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.server.parts.contract.tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.parts.contract.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.call(request, &context).await.map(CallToolResponse::from).map_err(|error| protocol_error(&error))
    }
}

impl Handler {
    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, Error> {
        let parts = &self.server.parts;
        let name = request.name.as_ref();
        let Some(registered) = parts.engine.tools().get(name) else {
            return Err(self.unknown_tool(name));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let mistakes = parts.contract.mistakes(name, &arguments);
        if !mistakes.is_empty() {
            return Ok(result::mistakes(name, &mistakes));
        }
        if registered.definition.read_only {
            return match parts.engine.tools().prepare(registered, arguments) {
                Ok(body) => Ok(result::result(&parts.engine.read(body).await?)),
                Err(mistake) => Ok(result::mistakes(name, &[mistake.to_string()])),
            };
        }
        let call = Call {
            tool: name.to_owned(),
            arguments,
            principal: String::new(),
            origin: self.origin,
            idempotency_key: match registered.definition.idempotency {
                Some(_) => None,
                None => idempotency::key(context)?,
            },
        };
        let submitted = match parts.engine.submit(call).await {
            Ok(submitted) => submitted,
            Err(Refusal::Arguments(mistake)) => return Ok(result::mistakes(name, &[mistake.to_string()])),
            Err(Refusal::Other(error)) => return Err(error),
        };
        let (id, is_replayed) = (submitted.id, submitted.is_replayed());
        match submitted.answer().await.into_ended(id) {
            Ok(ended) => Ok(result::of_invocation(result::result(&ended.conclusion), id, is_replayed)),
            // A person is needed, and the model is how they learn of it.
            Err(error) if error.kind() == ErrorKind::AskPerson => {
                Ok(result::of_invocation(result::failure(&error), id, is_replayed))
            }
            Err(error) => Err(error),
        }
    }

    fn unknown_tool(&self, name: &str) -> Error {
        let known: Vec<&str> = self.server.parts.contract.tools.iter().map(|tool| tool.name.as_ref()).collect();
        Error::new(
            ErrorKind::FixCall,
            "unknown_tool",
            format!("there is no tool `{name}`; the tools of this server are: {}", known.join(", ")),
        )
    }
}
