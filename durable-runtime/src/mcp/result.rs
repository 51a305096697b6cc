//! What a tool gave, as a `CallToolResult`.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject, RequestId, ServerJsonRpcMessage, ServerResult};
use serde_json::{Value, json};

use super::error::protocol_error;
use crate::engine::Answer;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Conclusion;

/// The result of a call: a text as it is, any other value as structured content and as one text block with the same JSON, or
/// the error's text.
pub(super) fn result(conclusion: &Conclusion) -> CallToolResult {
    match conclusion {
        Conclusion::Succeeded { value } => {
            let value_read: Option<Value> = serde_json::from_str(value).ok();
            // A text is not shown to models as JSON.
            if let Some(Value::String(text)) = value_read {
                return CallToolResult::success(vec![ContentBlock::text(text)]);
            }
            let mut result = CallToolResult::success(vec![ContentBlock::text(value.clone())]);
            result.structured_content = value_read;
            result
        }
        Conclusion::Presented { content } => match serde_json::from_str::<Vec<ContentBlock>>(content) {
            Ok(blocks) => CallToolResult::success(blocks),
            Err(error) => failure(&Error::new(
                ErrorKind::AskPerson,
                "result_not_recordable",
                format!("the recorded content is none of the protocol's: {error}"),
            )),
        },
        Conclusion::Failed { message, error } => {
            let mut result = CallToolResult::error(vec![ContentBlock::text(message.clone())]);
            let error: Value = serde_json::from_str(error).unwrap_or(Value::Null);
            say(&mut result, "durable/error", error);
            result
        }
        Conclusion::Refused { message, .. } => failure(&refused(message)),
        Conclusion::TimedOut { limit_ms } => failure(&Error::invocation_timed_out(*limit_ms)),
        Conclusion::Cancelled { reason } => failure(&Error::invocation_cancelled(reason)),
    }
}

/// The result of an invocation that is answered so.
///
/// # Errors
///
/// When there is no result, and the model can do nothing about it.
pub(super) fn of_answer(answer: Answer, id: InvocationId, is_replayed: bool) -> Result<CallToolResult, Error> {
    match answer.into_ended(id) {
        Ok(ended) => Ok(of_invocation(of_conclusion(&ended.conclusion)?, id, is_replayed)),
        // A person is needed, and the model is how they learn of it.
        Err(error) if error.kind() == ErrorKind::AskPerson => Ok(of_invocation(failure(&error), id, is_replayed)),
        Err(error) => Err(error),
    }
}

/// The same, or the error of the request that it is.
pub(super) fn of_conclusion(conclusion: &Conclusion) -> Result<CallToolResult, Error> {
    match conclusion {
        Conclusion::Refused { message, .. } => Err(refused(message)),
        other => Ok(result(other)),
    }
}

/// The error of a request that a tool ended so.
pub(super) fn refused(message: &str) -> Error {
    Error::new(ErrorKind::AskPerson, "request_failed", message)
}

/// The response to a request.
pub(super) fn response(result: Result<CallToolResult, Error>, request: RequestId) -> ServerJsonRpcMessage {
    match result {
        Ok(result) => ServerJsonRpcMessage::response(ServerResult::CallToolResult(result), request),
        Err(error) => ServerJsonRpcMessage::error(protocol_error(&error), Some(request)),
    }
}

/// A failure that the model can read and act upon.
pub(super) fn failure(error: &Error) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(error.to_string())]);
    say(&mut result, "durable/error", json!({ "type": error.code(), "next": error.kind() }));
    result
}

/// Arguments that do not fit.
pub(super) fn mistakes(tool: &str, mistakes: &[String]) -> CallToolResult {
    let text = format!("invalid_arguments: the arguments do not fit `{tool}`: {}", mistakes.join("; "));
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    say(&mut result, "durable/error", json!({ "type": "invalid_arguments", "next": "fix_call" }));
    result
}

/// Names the invocation, and says whether it had ended before this call.
pub(super) fn of_invocation(mut result: CallToolResult, id: InvocationId, is_replayed: bool) -> CallToolResult {
    say(&mut result, "durable/invocation", json!(id.to_string()));
    if is_replayed {
        say(&mut result, "durable/replayed", json!(true));
    }
    result
}

fn say(result: &mut CallToolResult, key: &str, value: Value) {
    let meta = result.meta.get_or_insert_with(MetaObject::default);
    meta.0.insert(key.to_owned(), value);
}
