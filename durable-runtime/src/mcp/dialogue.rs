//! What goes to and fro between a call and its client before the result: progress, messages, questions and answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rmcp::model::{
    CancelledNotificationParam, ClientCapabilities, ClientResult, InputRequest, InputRequests, ProgressToken,
    ServerNotification,
};
use rmcp::service::{Peer, PeerRequestOptions, ServiceError};
use rmcp::{ErrorData, RoleServer};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::question;
use super::session::CallStream;
use crate::clock::Timestamp;
use crate::engine::{Conversation, Engine, Listener, Notice, Questions, Submitted, Verdict};
use crate::id::InvocationId;
use crate::journal::record::Reply;
use crate::notice::LogLevel;

/// How often a client is asked that answers what is no answer.
pub(super) const TRIES: u32 = 3;

/// How a client is reached while its call is under way.
pub(super) enum Channel {
    /// On the stream of the call: 2025-11-25 over HTTP.
    Stream(CallStream),
    /// On the one connection that there is: 2025-11-25 over standard input and output.
    Connection(Peer<RoleServer>),
    /// Told on the response, and asked in place of it: 2026-07-28.
    Response(Peer<RoleServer>),
}

/// Who the client of a call is, and what it wants.
pub(super) struct Client {
    pub(super) channel: Channel,
    pub(super) capabilities: Option<ClientCapabilities>,
    pub(super) progress: Option<ProgressToken>,
    /// The least severe messages that it is sent; `None` for none at all.
    pub(super) log_level: Box<dyn Fn() -> Option<LogLevel> + Send + Sync>,
}

/// The conversation of one invocation with one client.
pub(super) struct Dialogue {
    engine: Arc<Engine>,
    invocation: InvocationId,
    tool: String,
    client: Client,
    conversation: Arc<Conversation>,
    notices: Listener,
    changes: watch::Receiver<()>,
    /// Questions that the client is being asked.
    asked: HashMap<String, Asked>,
    asking: JoinSet<(String, Option<Verdict>)>,
    last_progress: f64,
}

/// Ends a request.
type Withdraw = Box<dyn FnOnce() + Send + Sync>;

struct Asked {
    tries: u32,
    /// Ends the request when the question is over.
    withdraw: Option<Withdraw>,
}

/// Questions in place of a result.
pub(super) struct InputRequired {
    pub(super) requests: InputRequests,
    /// How many questions have been answered before.
    pub(super) answered: usize,
    pub(super) expires_at: Timestamp,
}

impl Dialogue {
    /// Begins; `None` when the invocation has an answer already.
    pub(super) fn begin(engine: &Arc<Engine>, submitted: &mut Submitted, tool: &str, client: Client) -> Option<Self> {
        let (conversation, notices) = submitted.conversation()?;
        Some(Self {
            engine: Arc::clone(engine),
            invocation: submitted.id,
            tool: tool.to_owned(),
            client,
            changes: conversation.changes(),
            conversation,
            notices,
            asked: HashMap::new(),
            asking: JoinSet::new(),
            last_progress: f64::NEG_INFINITY,
        })
    }

    /// Passes on what the two say to each other, until the client is to be given questions in place of a result.
    pub(super) async fn hold(&mut self) -> InputRequired {
        loop {
            self.changes.borrow_and_update();
            self.tell_news().await;
            self.withdraw();
            if let Channel::Response(_) = self.client.channel {
                if let Some(required) = self.conversation.open_at_rest().and_then(|open| self.input_required(&open)) {
                    return required;
                }
            } else {
                self.ask();
            }
            tokio::select! {
                biased;
                Some(answered) = self.asking.join_next() => {
                    if let Ok((key, verdict)) = answered {
                        self.answered(&key, verdict);
                    }
                }
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Tells what was said before the end.
    pub(super) async fn flush(&mut self) {
        self.tell_news().await;
        self.withdraw();
    }

    async fn tell_news(&mut self) {
        while let Some(notice) = self.notices.next() {
            self.tell(notice).await;
        }
    }

    fn input_required(&self, open: &Questions) -> Option<InputRequired> {
        let requests = question::requests(open, self.client.capabilities.as_ref(), &self.engine, self.invocation);
        let expires = requests.keys().filter_map(|key| open.get(key)).map(|question| question.expires_at).max()?;
        Some(InputRequired {
            requests,
            answered: self.conversation.answered(),
            expires_at: Timestamp::from_millis(expires),
        })
    }

    fn ask(&mut self) {
        let mut open = self.conversation.open();
        open.retain(|key, _| self.asked.get(key).is_none_or(|asked| asked.withdraw.is_none()));
        let requests = question::requests(&open, self.client.capabilities.as_ref(), &self.engine, self.invocation);
        for key in open.keys().filter(|key| !requests.contains_key(*key)) {
            // It is answered by us.
            self.asked.insert(key.clone(), Asked { tries: 0, withdraw: Some(Box::new(|| {})) });
        }
        for (key, request) in requests {
            let tries = self.asked.get(&key).map_or(0, |asked| asked.tries) + 1;
            let withdraw = match &self.client.channel {
                Channel::Stream(stream) => self.ask_on_stream(&key, request, tries, stream.clone()),
                Channel::Connection(peer) => self.ask_on_connection(&key, request, peer.clone()),
                Channel::Response(_) => continue,
            };
            self.asked.insert(key, Asked { tries, withdraw: Some(withdraw) });
        }
    }

    /// The session takes the answer, and acknowledges it when it is durable.
    fn ask_on_stream(&mut self, key: &str, request: InputRequest, tries: u32, stream: CallStream) -> Withdraw {
        let (verdict, id) = stream.ask(self.invocation, key, request, tries, self.engine.opening());
        let key = key.to_owned();
        self.asking.spawn(async move { (key, verdict.await.ok()) });
        Box::new(move || stream.withdraw(&id))
    }

    fn ask_on_connection(&mut self, key: &str, request: InputRequest, peer: Peer<RoleServer>) -> Withdraw {
        let (engine, invocation, name) = (Arc::clone(&self.engine), self.invocation, key.to_owned());
        let withdrawn = CancellationToken::new();
        let withdraw = withdrawn.clone();
        let (verdict, comes) = oneshot::channel();
        // Not in the set of those that end with the dialogue: the client is to hear of the withdrawal.
        tokio::spawn(async move {
            let Some(request) = question::server_request(request) else { return };
            let Ok(asking) = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await else {
                return;
            };
            let (asking_peer, id) = (asking.peer.clone(), asking.id.clone());
            let answer = tokio::select! {
                answer = asking.await_response() => answer,
                () = withdrawn.cancelled() => {
                    let why = Some("the call goes on without an answer".into());
                    let _heard = asking_peer.notify_cancelled(CancelledNotificationParam::new(Some(id), why)).await;
                    return;
                }
            };
            let reply = match answer {
                Ok(result) => reply_of(result),
                Err(ServiceError::McpError(error)) => question::reply(Err(&error)),
                // The connection is gone: the question stays open.
                Err(_) => return,
            };
            let verdicts = engine.answer(invocation, BTreeMap::from([(name.clone(), reply)])).await;
            if let Some(said) = verdicts.ok().and_then(|mut verdicts| verdicts.remove(&name)) {
                let _unheard = verdict.send(said);
            }
        });
        let key = key.to_owned();
        self.asking.spawn(async move { (key, comes.await.ok()) });
        Box::new(move || withdraw.cancel())
    }

    fn answered(&mut self, key: &str, verdict: Option<Verdict>) {
        let Some(asked) = self.asked.get_mut(key) else { return };
        let Some(Verdict::Rejected(why)) = verdict else { return };
        if asked.tries < TRIES {
            // It is asked again.
            asked.withdraw = None;
            tracing::info!(invocation = %self.invocation, question = key, why, "a client answers with what is no answer");
            return;
        }
        let refused = Reply::Unavailable(format!("its answer was none {TRIES} times, the last time because {why}"));
        let (engine, invocation, key) = (Arc::clone(&self.engine), self.invocation, key.to_owned());
        self.asking.spawn(async move {
            let verdicts = engine.answer(invocation, BTreeMap::from([(key.clone(), refused)])).await;
            let verdict = verdicts.ok().and_then(|mut verdicts| verdicts.remove(&key));
            (key, verdict.filter(|verdict| !matches!(verdict, Verdict::Rejected(_))))
        });
    }

    /// Takes back what the client is asked and need not answer any more.
    fn withdraw(&mut self) {
        for (key, asked) in &mut self.asked {
            if self.conversation.is_settled(key)
                && let Some(withdraw) = asked.withdraw.replace(Box::new(|| {}))
            {
                withdraw();
            }
        }
    }

    async fn tell(&mut self, notice: Notice) {
        let message = match notice {
            Notice::Progress { progress, total, message } => {
                let Some(token) = &self.client.progress else { return };
                if progress <= self.last_progress {
                    return;
                }
                self.last_progress = progress;
                question::progress(token, progress, total, message)
            }
            Notice::CloseStream => {
                if let Channel::Stream(stream) = &self.client.channel {
                    stream.outlet.hang_up();
                }
                return;
            }
            Notice::Log { level, data } => {
                if (self.client.log_level)().is_none_or(|least| level < least) {
                    return;
                }
                question::log(level, &self.tool, data)
            }
        };
        self.send(message).await;
    }

    async fn send(&self, message: ServerNotification) {
        match &self.client.channel {
            Channel::Stream(stream) => stream.send(message),
            Channel::Connection(peer) | Channel::Response(peer) => {
                // A client that has gone does not hear it.
                let _heard = peer.send_notification(message).await;
            }
        }
    }
}

fn reply_of(result: ClientResult) -> Reply {
    match serde_json::to_value(result) {
        Ok(result) => question::reply(Ok(result)),
        Err(error) => question::reply(Err(&ErrorData::internal_error(error.to_string(), None))),
    }
}
