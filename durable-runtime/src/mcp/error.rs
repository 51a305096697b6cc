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
    if let Some(required) = required(error.code()) {
        let refusal = ErrorData::missing_required_client_capability(required);
        if let (Some(data), Some(Value::Object(required))) = (data.as_object_mut(), refusal.data) {
            data.extend(required);
        }
        return ErrorData::new(refusal.code, error.to_string(), Some(data));
    }
    ErrorData::new(code, error.to_string(), Some(data))
}

/// What the client must be able to do for an error of this code not to come again.
#[expect(deprecated, reason = "sampling and roots are deprecated in the protocol, and tools require them")]
fn required(code: &str) -> Option<ClientCapabilities> {
    let builder = ClientCapabilities::builder();
    Some(match code {
        "tasks_required" => builder.enable_tasks().build(),
        "elicitation_required" => builder.enable_elicitation().build(),
        "sampling_required" => builder.enable_sampling().build(),
        "roots_required" => builder.enable_roots().build(),
        _ => return None,
    })
}
