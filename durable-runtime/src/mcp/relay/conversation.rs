//! What a relay keeps of its client's conversation, so that another owner can go on with it.
//!
//! It does nothing by itself: lines go in, and what is to be sent comes out.

use std::collections::{BTreeMap, HashSet, VecDeque};

use rmcp::ErrorData;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::line::to_line;
use super::message::{begins, id_in, id_of, is_repeatable, makes_invocation, method_of, numbered};
use super::request::{Number, call_lost};
use crate::error::{Error, ErrorKind};
use crate::mcp::error::protocol_error;

/// How many notifications are kept for an owner: cancellations that it may not have taken, others that wait for one.
const KEPT: usize = 64;

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Send {
    ToClient(Vec<u8>),
    ToOwner(Vec<u8>),
}

/// A request of the client that is not answered yet.
struct Unanswered {
    id: String,
    message: Value,
    /// Whether an owner may have had it.
    is_sent: bool,
}

/// A request that the client has given up.
struct GivenUp {
    id: String,
    /// The notification that said so.
    message: Value,
}

/// The conversation of one client, over all owners.
pub(super) struct Conversation {
    /// The number of the next request.
    next: u64,
    unanswered: BTreeMap<u64, Unanswered>,
    given_up: VecDeque<GivenUp>,
    /// The requests and the notification that make a new owner know the client, under what they are about.
    known_by: BTreeMap<Known, Value>,
    /// Notifications for when there is an owner that takes them.
    waiting: VecDeque<Value>,
    /// Requests that are sent in the client's name, whose responses it does not get.
    own: HashSet<String>,
    /// Requests of the owner that the client has not answered.
    asked: HashSet<String>,
    has_owner: bool,
    /// Whether the owner has had a request after which it takes notifications.
    is_begun: bool,
    /// Whether it has been told of the requests that were given up before it.
    is_told: bool,
}

/// What an owner has to know of a client, in the order in which it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Initialize,
    Initialized,
    LogLevel,
    Subscription(String),
}

/// The parts of a message of the owner that matter.
#[derive(Deserialize)]
struct Envelope {
    id: Option<Value>,
    method: Option<String>,
}

fn push(queue: &mut VecDeque<Value>, message: Value) {
    if queue.len() == KEPT {
        queue.pop_front();
    }
    queue.push_back(message);
}

/// An error as the response to a request.
fn refusal(id: Option<Value>, error: &ErrorData) -> Send {
    let mut answer = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = id {
        answer["id"] = id;
    }
    Send::ToClient(to_line(&answer))
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self {
            next: 1,
            unanswered: BTreeMap::new(),
            given_up: VecDeque::new(),
            known_by: BTreeMap::new(),
            waiting: VecDeque::new(),
            own: HashSet::new(),
            asked: HashSet::new(),
            has_owner: false,
            is_begun: false,
            is_told: false,
        }
    }

    /// A line of the client.
    pub(super) fn client_says(&mut self, line: &[u8]) -> Vec<Send> {
        let mut sent = Vec::new();
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            tracing::debug!("the client sends what is not JSON; it is left");
            return sent;
        };
        match (id_of(&message), method_of(&message).map(ToOwned::to_owned)) {
            (Some(id), Some(method)) => self.request(id, &method, message, &mut sent),
            (None, Some(method)) => self.notification(&method, message, &mut sent),
            (Some(id), None) if self.asked.remove(&id) => sent.push(Send::ToOwner(to_line(&message))),
            (Some(_), None) => tracing::debug!("the client answers what is not asked any more; it is left"),
            (None, None) => sent.push(refusal(None, &ErrorData::invalid_request("Invalid request", None))),
        }
        sent
    }

    fn request(&mut self, id: String, method: &str, message: Value, sent: &mut Vec<Send>) {
        let subscription = || Known::Subscription(message["params"]["uri"].as_str().unwrap_or_default().to_owned());
        match method {
            "initialize" => drop(self.known_by.insert(Known::Initialize, message.clone())),
            "logging/setLevel" => drop(self.known_by.insert(Known::LogLevel, message.clone())),
            "resources/subscribe" => drop(self.known_by.insert(subscription(), message.clone())),
            "resources/unsubscribe" => drop(self.known_by.remove(&subscription())),
            _ => {}
        }
        let number = self.next;
        self.next += 1;
        self.unanswered.insert(number, Unanswered { id, message, is_sent: false });
        if self.has_owner {
            self.send(number, sent);
            self.flush(sent);
        }
    }

    /// Sends a request, which an earlier owner may have had.
    fn send(&mut self, number: u64, sent: &mut Vec<Send>) {
        let Some(request) = self.unanswered.get_mut(&number) else { return };
        let again = std::mem::replace(&mut request.is_sent, true);
        let mut message = request.message.clone();
        let method = method_of(&message).unwrap_or_default();
        self.is_begun |= begins(method);
        if makes_invocation(method) {
            message = numbered(message, Number { number, again });
        }
        sent.push(Send::ToOwner(to_line(&message)));
    }

    fn notification(&mut self, method: &str, message: Value, sent: &mut Vec<Send>) {
        match method {
            "notifications/initialized" => drop(self.known_by.insert(Known::Initialized, message.clone())),
            "notifications/cancelled" => {
                let id = message["params"].get("requestId").map(Value::to_string);
                let found = self.unanswered.iter().find(|(_, request)| Some(&request.id) == id.as_ref());
                let Some(number) = found.map(|(number, _)| *number) else { return };
                let Some(request) = self.unanswered.remove(&number).filter(|request| request.is_sent) else { return };
                let message = numbered(message, Number { number, again: false });
                if self.given_up.len() == KEPT {
                    self.given_up.pop_front();
                }
                self.given_up.push_back(GivenUp { id: request.id, message: message.clone() });
                if self.has_owner && self.is_begun {
                    sent.push(Send::ToOwner(to_line(&message)));
                }
                return;
            }
            _ => {}
        }
        if self.has_owner && self.is_begun {
            sent.push(Send::ToOwner(to_line(&message)));
        } else if method != "notifications/initialized" {
            push(&mut self.waiting, message);
        }
    }

    /// Sends what has waited for an owner that takes notifications.
    fn flush(&mut self, sent: &mut Vec<Send>) {
        if self.is_begun {
            if !std::mem::replace(&mut self.is_told, true) {
                sent.extend(self.given_up.iter().map(|request| Send::ToOwner(to_line(&request.message))));
            }
            sent.extend(self.waiting.drain(..).map(|message| Send::ToOwner(to_line(&message))));
        }
    }

    /// A request of the client that is too long to be sent, as far as it was read.
    pub(super) fn too_long(line: &[u8], most: usize) -> Vec<Send> {
        let message = format!("the message has more than {most} bytes; pass a reference to the data instead");
        let error = Error::new(ErrorKind::FixCall, "message_too_large", message);
        vec![refusal(id_in(line), &protocol_error(&error))]
    }

    /// A line of the owner; whether the client is to get it.
    pub(super) fn owner_says(&mut self, line: &[u8]) -> bool {
        let Ok(Envelope { id, method }) = serde_json::from_slice(line) else {
            tracing::warn!("the store's owner sends what is no message; it is left");
            return false;
        };
        let id = id.map(|id| id.to_string());
        match (id, method) {
            (Some(id), Some(_)) => {
                self.asked.insert(id);
                true
            }
            (None, Some(method)) => {
                if method == "notifications/cancelled"
                    && let Ok(message) = serde_json::from_slice::<Value>(line)
                {
                    self.asked.remove(&message["params"]["requestId"].to_string());
                }
                true
            }
            (Some(id), None) => !self.own.remove(&id) && self.is_answer(&id),
            (None, None) => true,
        }
    }

    /// Whether a response is the first one to a request of this id, which is answered with it.
    fn is_answer(&mut self, id: &str) -> bool {
        let found = self.unanswered.iter().find(|(_, request)| request.is_sent && request.id == id);
        if let Some(number) = found.map(|(number, _)| *number) {
            self.unanswered.remove(&number);
            return true;
        }
        let given_up = self.given_up.iter_mut().find(|request| request.id == id);
        // Taken as answered; the notification itself stays, for it may not be durable.
        given_up.map(|request| request.id.clear()).is_some()
    }

    /// The owner has gone: the client need not answer what it asked. The next one asks again.
    pub(super) fn lost(&mut self) -> Vec<Send> {
        self.has_owner = false;
        self.is_begun = false;
        self.own.clear();
        let mut sent = Vec::new();
        let lost = protocol_error(&call_lost());
        self.unanswered.retain(|_, request| {
            let is_kept = !request.is_sent || method_of(&request.message).is_some_and(is_repeatable);
            if !is_kept {
                sent.push(refusal(request.message.get("id").cloned(), &lost));
            }
            is_kept
        });
        let withdrawn = std::mem::take(&mut self.asked).into_iter().map(|id| {
            let id: Value = serde_json::from_str(&id).unwrap_or_default();
            let params = json!({ "requestId": id, "reason": "another process goes on with the call, and asks again" });
            let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
            Send::ToClient(to_line(&message))
        });
        sent.extend(withdrawn);
        sent
    }

    /// There is no other owner: what is not answered yet is answered with this error.
    pub(super) fn failed(&mut self, error: &Error) -> Vec<Send> {
        let error = protocol_error(error);
        let unanswered = std::mem::take(&mut self.unanswered).into_values();
        unanswered.map(|request| refusal(request.message.get("id").cloned(), &error)).collect()
    }

    /// There is an owner: what it has to know, and what is not answered yet.
    pub(super) fn found(&mut self) -> Vec<Send> {
        self.has_owner = true;
        self.is_told = false;
        let mut sent = Vec::new();
        for (known, mut message) in self.known_by.clone() {
            if let Some(id) = id_of(&message) {
                if self.unanswered.values().any(|request| request.id == id) {
                    // It is sent with the others.
                    continue;
                }
                let own = json!(format!("durable-relay-{}", Uuid::new_v4().simple()));
                self.own.insert(own.to_string());
                message["id"] = own;
            }
            self.is_begun |= known == Known::Initialize;
            if self.is_begun {
                sent.push(Send::ToOwner(to_line(&message)));
            }
        }
        for number in self.unanswered.keys().copied().collect::<Vec<_>>() {
            self.send(number, &mut sent);
        }
        self.flush(&mut sent);
        sent
    }
}

#[cfg(test)]
mod tests;
