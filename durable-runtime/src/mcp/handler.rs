//! The handler of one connection: rmcp's requests, answered by the engine.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::broadcast::error::RecvError;

use super::beside::joined;
use super::completion::completed;
use super::connection::Connection;
use super::error::protocol_error;
use super::relay::{self, RelayedRequest};
use super::server::Server;
use super::{question, requester};
use crate::prompt;

/// Cheap to clone: over HTTP there is one for each request.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    /// How calls come here: `http` or `stdio`.
    pub(super) origin: &'static str,
    pub(super) connection: Arc<Connection>,
}

impl Handler {
    pub(super) fn new(server: Server, origin: &'static str) -> Self {
        Self { server, origin, connection: Arc::default() }
    }

    /// Whether a function of this server is registered under this name.
    fn has(&self, name: &str) -> bool {
        self.server.parts.engine.tools().get(name).is_some()
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let parts = &self.server.parts;
        let config = ServerConfig::new(self.capabilities())
            .with_server_info(Implementation::new(parts.name.clone(), parts.version.clone()));
        match &parts.instructions {
            Some(instructions) => config.with_instructions(instructions.clone()),
            None => config,
        }
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let parts = &self.server.parts;
        let mut listed = parts.contract.tools.clone();
        if let Some(beside) = &parts.beside
            && beside.capabilities().tools.is_some()
        {
            listed = joined(listed, beside.tools(context).await?, |one, other| one.name == other.name);
        }
        Ok(ListToolsResult::with_all_items(listed))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let parts = &self.server.parts;
        let own = parts.contract.tools.iter().find(|tool| tool.name == name).cloned();
        own.or_else(|| parts.beside.as_ref()?.tool(name))
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let parts = &self.server.parts;
        let mut listed = parts.contract.prompts.clone();
        if let Some(beside) = &parts.beside
            && beside.capabilities().prompts.is_some()
        {
            listed = joined(listed, beside.prompts(context).await?, |one, other| one.name == other.name);
        }
        Ok(ListPromptsResult::with_all_items(listed))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(beside) = &self.server.parts.beside
            && !self.has(&format!("{}{}", prompt::PREFIX, request.name))
        {
            return beside.prompt(request, context).await;
        }
        self.prompt(request, &context).await.map_err(|error| protocol_error(&error))
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let parts = &self.server.parts;
        let mut listed = parts.contract.resources.clone();
        if let Some(beside) = &parts.beside
            && beside.capabilities().resources.is_some()
        {
            listed = joined(listed, beside.resources(context).await?, |one, other| one.uri == other.uri);
        }
        Ok(ListResourcesResult::with_all_items(listed))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let parts = &self.server.parts;
        let mut listed = parts.contract.templates.clone();
        if let Some(beside) = &parts.beside
            && beside.capabilities().resources.is_some()
        {
            listed =
                joined(listed, beside.templates(context).await?, |one, other| one.uri_template == other.uri_template);
        }
        Ok(ListResourceTemplatesResult::with_all_items(listed))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if let Some(beside) = &self.server.parts.beside
            && self.resource_at(&request.uri).is_none()
        {
            return beside.resource(request, context).await;
        }
        self.resource(request, &context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        if let Some(beside) = &self.server.parts.beside
            && !self.has(&completed(&request))
        {
            return beside.completion(request, context).await;
        }
        self.completion(&request).map_err(|error| protocol_error(&error))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        match &self.server.parts.beside {
            Some(beside) => beside.custom(request, context).await,
            None => Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None)),
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(session) = requester::session(&context.extensions) else {
            self.connection.subscribed.insert(request.uri);
            return Ok(());
        };
        let subscribed = self.server.parts.sessions.subscribe(&session, request.uri).await;
        subscribed.map_err(|error| protocol_error(&error))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(session) = requester::session(&context.extensions) else {
            self.connection.subscribed.remove(&request.uri);
            return Ok(());
        };
        let unsubscribed = self.server.parts.sessions.unsubscribe(&session, request.uri).await;
        unsubscribed.map_err(|error| protocol_error(&error))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.server.parts.changes.listen();
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    // The sink passes on what the client asked for.
                    Ok(change) => drop(context.sink().send(change.notification()).await),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = context.cancelled() => return Ok(()),
            }
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if requester::session(&context.extensions).is_some() {
            // The session tells its client.
            return;
        }
        let mut changes = self.server.parts.changes.listen();
        let subscribed = self.connection.subscribed.clone();
        self.server.parts.engine.in_background(async move {
            loop {
                match changes.recv().await {
                    Ok(change) if subscribed.wants(&change) => {
                        if context.peer.send_notification(change.notification()).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(beside) = &self.server.parts.beside
            && !self.has(&request.name)
        {
            // It is not journaled, and perhaps it has happened.
            if context.extensions.get::<RelayedRequest>().is_some_and(RelayedRequest::is_again) {
                return Err(protocol_error(&relay::call_lost()));
            }
            return beside.call(request, context).await;
        }
        self.call(request, &context).await.map_err(|error| protocol_error(&error))
    }

    #[expect(deprecated, reason = "deprecated in the protocol, and clients of 2025-11-25 have it")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let level = question::log_level(request.level);
        let Some(session) = requester::session(&context.extensions) else {
            *self.connection.log_level.lock() = level;
            return Ok(());
        };
        let set = self.server.parts.sessions.set_log_level(&session, level).await;
        set.map_err(|error| protocol_error(&error))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let parts = &self.server.parts;
        let principal = requester::caller(&context);
        let answers = question::replies(request.input_responses);
        let answered = parts.tasks.answer(&parts.engine, &request.task_id, principal.as_str(), answers).await;
        answered.map_err(|error| protocol_error(&error))
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        if let Some(request) = &notification.request_id {
            self.cancel(request, notification.reason, &context).await;
        }
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let parts = &self.server.parts;
        let principal = requester::caller(&context);
        let cancelled = parts.tasks.cancel(&parts.engine, &request.task_id, principal.as_str()).await;
        cancelled.map_err(|error| protocol_error(&error))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let parts = &self.server.parts;
        let principal = requester::caller(&context);
        parts
            .tasks
            .get(&parts.engine, &request.task_id, principal.as_str(), context.client_capabilities().as_ref())
            .await
            .map_err(|error| protocol_error(&error))
    }
}
