//! What clients are told that no request of theirs asked for: that a list has changed, or a resource.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{
    PromptListChangedNotification, ResourceListChangedNotification, ResourceUpdatedNotification,
    ResourceUpdatedNotificationParam, ServerNotification, ToolListChangedNotification,
};
use tokio::sync::broadcast;

/// How many wait for a client that is slow to take them; the oldest are given up first.
const WAITING: usize = 64;

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Tools,
    Prompts,
    Resources,
    Resource(String),
}

impl Change {
    pub(super) fn notification(&self) -> ServerNotification {
        match self {
            Self::Tools => ServerNotification::ToolListChangedNotification(ToolListChangedNotification::default()),
            Self::Prompts => {
                ServerNotification::PromptListChangedNotification(PromptListChangedNotification::default())
            }
            Self::Resources => {
                ServerNotification::ResourceListChangedNotification(ResourceListChangedNotification::default())
            }
            Self::Resource(uri) => ServerNotification::ResourceUpdatedNotification(ResourceUpdatedNotification::new(
                ResourceUpdatedNotificationParam::new(uri.clone()),
            )),
        }
    }
}

/// Changes, for the streams that listen for them.
#[derive(Clone)]
pub(super) struct Changes(broadcast::Sender<Change>);

impl Changes {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }

    pub(super) fn tell(&self, change: Change) {
        // Nobody may listen.
        let _heard = self.0.send(change);
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}

/// The resources that a client of 2025-11-25 wants to hear of.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribed(Arc<Mutex<HashSet<String>>>);

impl Subscribed {
    pub(super) fn insert(&self, uri: String) {
        self.0.lock().insert(uri);
    }

    pub(super) fn remove(&self, uri: &str) {
        self.0.lock().remove(uri);
    }

    pub(super) fn wants(&self, change: &Change) -> bool {
        match change {
            Change::Resource(uri) => self.0.lock().contains(uri),
            Change::Tools | Change::Prompts | Change::Resources => true,
        }
    }
}
