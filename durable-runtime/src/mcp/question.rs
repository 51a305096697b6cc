//! Questions and notices as the protocol has them.
#![expect(deprecated, reason = "sampling, roots and logging are deprecated in the protocol, and clients have them")]

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, InputRequest, InputRequests, InputResponses, LoggingLevel, LoggingMessageNotification,
    LoggingMessageNotificationParam, ProgressNotification, ProgressNotificationParam, ProgressToken,
    ServerNotification, ServerRequest,
};
use serde_json::Value;

use crate::engine::{Engine, Question, Questions, Verdict};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Reply;
use crate::notice::LogLevel;

/// The request, if a client with these capabilities can be asked; else why not.
pub(super) fn request(question: &Question, client: Option<&ClientCapabilities>) -> Result<InputRequest, String> {
    let request = serde_json::from_str(&question.request)
        .map_err(|error| format!("the protocol does not have such a question: {error}"))?;
    let (can_answer, capability) = match &request {
        InputRequest::Elicitation(_) => (
            client.and_then(|client| client.elicitation.as_ref()).is_some_and(|elicitation| {
                // Without a mode the client has forms.
                elicitation.form.is_some() || elicitation.url.is_none()
            }),
            "elicitation",
        ),
        InputRequest::CreateMessage(_) => (client.is_some_and(|client| client.sampling.is_some()), "sampling"),
        InputRequest::ListRoots(_) => (client.is_some_and(|client| client.roots.is_some()), "roots"),
        _ => (false, "this"),
    };
    if can_answer { Ok(request) } else { Err(format!("it does not have the capability `{capability}`")) }
}

/// The request as one that a server makes.
pub(super) fn server_request(request: InputRequest) -> Option<ServerRequest> {
    Some(match request {
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return None,
    })
}

/// The questions that a client can be asked. The others are answered at once, with that: nobody else will be asked them.
pub(super) fn requests(
    questions: &Questions,
    client: Option<&ClientCapabilities>,
    engine: &Arc<Engine>,
    invocation: InvocationId,
) -> InputRequests {
    let mut requests = InputRequests::new();
    let mut refused = BTreeMap::new();
    for (key, question) in questions {
        match request(question, client) {
            Ok(request) => {
                requests.insert(key.clone(), request);
            }
            Err(why) => {
                refused.insert(key.clone(), Reply::Unavailable(why));
            }
        }
    }
    if !refused.is_empty() {
        let own = Arc::clone(engine);
        engine.in_background(async move {
            if let Err(error) = own.answer(invocation, refused).await {
                tracing::warn!(%error, %invocation, "a question that its client cannot be asked stays open");
            }
        });
    }
    requests
}

/// Answers as they come with a call or for a task.
pub(super) fn replies(responses: InputResponses) -> BTreeMap<String, Reply> {
    responses.into_iter().map(|(key, response)| (key, Reply::Given(response.to_string()))).collect()
}

/// What a client answered to a request.
pub(super) fn reply(answer: Result<Value, &ErrorData>) -> Reply {
    match answer {
        Ok(result) => Reply::Given(result.to_string()),
        Err(error) => Reply::Unavailable(format!("{} ({})", error.message, error.code.0)),
    }
}

/// Looks for answers that contradict those that are recorded.
pub(super) fn check(verdicts: &BTreeMap<String, Verdict>) -> Result<(), Error> {
    let conflicts: Vec<&str> =
        verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Conflict).map(|(key, _)| key.as_str()).collect();
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FixCall,
        "answer_conflict",
        format!(
            "these questions were answered before, and otherwise: {}; the first answer counts, so leave this one out",
            conflicts.join(", ")
        ),
    ))
}

pub(super) fn progress(
    token: &ProgressToken,
    progress: f64,
    total: Option<f64>,
    message: Option<String>,
) -> ServerNotification {
    let mut params = ProgressNotificationParam::new(token.clone(), progress);
    params.total = total;
    params.message = message;
    ServerNotification::ProgressNotification(ProgressNotification::new(params))
}

pub(super) fn log(level: LogLevel, tool: &str, data: Value) -> ServerNotification {
    let params = LoggingMessageNotificationParam::new(logging_level(level), data).with_logger(tool.to_owned());
    ServerNotification::LoggingMessageNotification(LoggingMessageNotification::new(params))
}

fn logging_level(level: LogLevel) -> LoggingLevel {
    match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Notice => LoggingLevel::Notice,
        LogLevel::Warning => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
        LogLevel::Critical => LoggingLevel::Critical,
        LogLevel::Alert => LoggingLevel::Alert,
        LogLevel::Emergency => LoggingLevel::Emergency,
    }
}

pub(super) fn log_level(level: LoggingLevel) -> LogLevel {
    LogLevel::ALL.into_iter().find(|own| logging_level(*own) == level).unwrap_or(LogLevel::Info)
}
