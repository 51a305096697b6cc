//! An rmcp handler beside ours: it answers for what we do not have.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest, CustomResult,
    GetPromptRequestParams, GetPromptResponse, Prompt, ReadResourceRequestParams, ReadResourceResponse, Resource,
    ResourceTemplate, ServerCapabilities, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

/// What a request is answered with.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ErrorData>> + Send + 'a>>;

type Context = RequestContext<RoleServer>;

/// A handler whose type is forgotten.
pub(super) type Beside = Arc<dyn Handler>;

/// The part of an rmcp handler that can answer beside ours.
pub(super) trait Handler: Send + Sync {
    fn capabilities(&self) -> ServerCapabilities;
    fn tool(&self, name: &str) -> Option<Tool>;
    fn tools(&self, context: Context) -> Answer<'_, Vec<Tool>>;
    fn call(&self, request: CallToolRequestParams, context: Context) -> Answer<'_, CallToolResponse>;
    fn prompts(&self, context: Context) -> Answer<'_, Vec<Prompt>>;
    fn prompt(&self, request: GetPromptRequestParams, context: Context) -> Answer<'_, GetPromptResponse>;
    fn resources(&self, context: Context) -> Answer<'_, Vec<Resource>>;
    fn templates(&self, context: Context) -> Answer<'_, Vec<ResourceTemplate>>;
    fn resource(&self, request: ReadResourceRequestParams, context: Context) -> Answer<'_, ReadResourceResponse>;
    fn completion(&self, request: CompleteRequestParams, context: Context) -> Answer<'_, CompleteResult>;
    fn custom(&self, request: CustomRequest, context: Context) -> Answer<'_, CustomResult>;
}

/// All pages of a list.
macro_rules! all {
    ($self:ident . $list:ident ( $context:ident ) . $items:ident) => {
        Box::pin(async move {
            let (mut items, mut cursor) = (Vec::new(), None);
            loop {
                let page =
                    cursor.map(|cursor| rmcp::model::PaginatedRequestParams::default().with_cursor(Some(cursor)));
                let listed = $self.$list(page, $context.clone()).await?;
                items.extend(listed.$items);
                cursor = listed.next_cursor;
                if cursor.is_none() {
                    return Ok(items);
                }
            }
        })
    };
}

impl<H: ServerHandler> Handler for H {
    fn capabilities(&self) -> ServerCapabilities {
        self.get_info().capabilities
    }

    fn tool(&self, name: &str) -> Option<Tool> {
        self.get_tool(name)
    }

    fn tools(&self, context: Context) -> Answer<'_, Vec<Tool>> {
        all!(self.list_tools(context).tools)
    }

    fn call(&self, request: CallToolRequestParams, context: Context) -> Answer<'_, CallToolResponse> {
        Box::pin(self.call_tool(request, context))
    }

    fn prompts(&self, context: Context) -> Answer<'_, Vec<Prompt>> {
        all!(self.list_prompts(context).prompts)
    }

    fn prompt(&self, request: GetPromptRequestParams, context: Context) -> Answer<'_, GetPromptResponse> {
        Box::pin(self.get_prompt(request, context))
    }

    fn resources(&self, context: Context) -> Answer<'_, Vec<Resource>> {
        all!(self.list_resources(context).resources)
    }

    fn templates(&self, context: Context) -> Answer<'_, Vec<ResourceTemplate>> {
        all!(self.list_resource_templates(context).resource_templates)
    }

    fn resource(&self, request: ReadResourceRequestParams, context: Context) -> Answer<'_, ReadResourceResponse> {
        Box::pin(self.read_resource(request, context))
    }

    fn completion(&self, request: CompleteRequestParams, context: Context) -> Answer<'_, CompleteResult> {
        Box::pin(self.complete(request, context))
    }

    fn custom(&self, request: CustomRequest, context: Context) -> Answer<'_, CustomResult> {
        Box::pin(self.on_custom_request(request, context))
    }
}

/// Joins a list of theirs to ours; what both have is ours.
pub(super) fn joined<T>(ours: Vec<T>, theirs: Vec<T>, is_same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let theirs = theirs.into_iter().filter(|their| !ours.iter().any(|our| is_same(our, their))).collect::<Vec<_>>();
    ours.into_iter().chain(theirs).collect()
}
