//! The framework's errors as the protocol says them.

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, ErrorCode};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};

/// A JSON-RPC code of the range that is left to implementations: the call may be made again.
const TRY_AGAIN: ErrorCode = ErrorCode(-32000);

/// An error of the request or of the server, as opposed to one of the tool. `data.type` is its stable code.
pub(super) fn protocol_error(error: &Error) -> ErrorData {
    let code = match error.kind() {
        ErrorKind::FixCall => ErrorCode::INVALID_PARAMS,
        ErrorKind::Retry => TRY_AGAIN,
        ErrorKind::FixProgram | ErrorKind::Redeploy | ErrorKind::AskPerson => ErrorCode::INTERNAL_ERROR,
    };
    let mut data = json!({ "type": error.code(), "next": error.kind() });
    if error.code() == "tasks_required" {
        let tasks = ClientCapabilities::builder().enable_tasks().build();
        let refusal = ErrorData::missing_required_client_capability(tasks);
        if let (Some(data), Some(Value::Object(required))) = (data.as_object_mut(), refusal.data) {
            data.extend(required);
        }
        return ErrorData::new(refusal.code, error.to_string(), Some(data));
    }
    ErrorData::new(code, error.to_string(), Some(data))
}
