//! Completion of the arguments of prompts and resources.

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use super::handler::Handler;
use crate::error::{Error, ErrorKind};
use crate::{prompt, resource};

/// The name under which what is completed is registered; empty if it is nothing that we complete.
pub(super) fn completed(request: &CompleteRequestParams) -> String {
    match &request.r#ref {
        Reference::Prompt(prompt) => format!("{}{}", prompt::PREFIX, prompt.name),
        Reference::Resource(resource) => format!("{}{}", resource::PREFIX, resource.uri),
        _ => String::new(),
    }
}

impl Handler {
    pub(super) fn completion(&self, request: &CompleteRequestParams) -> Result<CompleteResult, Error> {
        let name = completed(request);
        let Some(registered) = self.server.parts.engine.tools().get(&name) else {
            let message = format!(
                "there is nothing to complete under `{name}`: give the name of a prompt or the URI of a resource"
            );
            return Err(Error::new(ErrorKind::FixCall, "completion_unknown", message));
        };
        let completions = &registered.definition.completions;
        let Some((_, complete)) = completions.iter().find(|(argument, _)| *argument == request.argument.name) else {
            return Ok(CompleteResult::default());
        };
        let mut values = complete(&request.argument.value);
        let total = u32::try_from(values.len()).ok();
        let has_more = values.len() > CompletionInfo::MAX_VALUES;
        values.truncate(CompletionInfo::MAX_VALUES);
        let completion = CompletionInfo::with_pagination(values, total, has_more).unwrap_or_default();
        Ok(CompleteResult::new(completion))
    }
}
