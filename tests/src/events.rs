//! A stream of events, read one at a time.

use serde_json::Value;

use crate::wait::answered;

/// A response that is a stream of server-sent events, or one JSON document, which counts as one event.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    unread: String,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The message in it, if there is one.
    pub message: Option<Value>,
}

impl Events {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { response, unread: String::new() }
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next event; `None` when the stream has ended or its connection is lost.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (event, rest) = (parse(event), rest.to_owned());
                self.unread = rest;
                if event.id.is_some() || event.message.is_some() {
                    return Some(event);
                }
                continue;
            }
            let Some(chunk) = answered("the next event", self.response.chunk()).await.ok().flatten() else {
                return self.document();
            };
            self.unread.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    /// The answer of a request that was told nothing before it: one JSON document.
    fn document(&mut self) -> Option<Event> {
        let message = serde_json::from_str(&std::mem::take(&mut self.unread)).ok()?;
        Some(Event { id: None, message: Some(message) })
    }

    /// All that is still to come.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("id:") {
            event.id = Some(id.trim().to_owned());
        } else if let Some(data) = line.strip_prefix("data:") {
            event.message = serde_json::from_str(data).ok();
        }
    }
    event
}
