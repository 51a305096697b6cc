//! Questions of calls of the revision 2026-07-28 that are no tasks: the call is answered with them, and made again with the
//! answers and a sealed state that names its invocation.

use std::time::Duration;

use rmcp::model::{InputRequiredResult, RequestStateCodec, RequestStateError, SealOptions};
use serde_json::Value;

use super::dialogue::InputRequired;
use super::secret::Secret;
use crate::clock::Timestamp;
use crate::engine::digest;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;

/// Seals and opens the states of calls.
pub(super) struct Rounds(RequestStateCodec);

/// What a state is bound to: it is no state of another caller, tool or call.
pub(super) struct Binding(Vec<u8>);

impl Binding {
    pub(super) fn new(principal: &str, tool: &str, arguments: &Value) -> Self {
        let mut bytes = Vec::new();
        for part in [principal.as_bytes(), tool.as_bytes(), &digest(arguments)] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }
}

impl Rounds {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(RequestStateCodec::new_unchecked(secret.key("request state")))
    }

    /// What a call is answered with that has questions. The state is good until the last of them expires.
    pub(super) fn input_required(
        &self,
        invocation: InvocationId,
        required: InputRequired,
        now: Timestamp,
        binding: &Binding,
    ) -> InputRequiredResult {
        let mut payload = invocation.as_bytes().to_vec();
        payload.extend_from_slice(&(required.answered as u64).to_be_bytes());
        let left = now.until(required.expires_at).max(Duration::from_secs(1));
        let state = self.0.seal_with(&payload, &SealOptions::new().associated_data(&binding.0).ttl(left));
        InputRequiredResult::new(Some(required.requests), Some(state))
    }

    /// The invocation that a state names.
    pub(super) fn open(&self, state: &str, binding: &Binding) -> Result<InvocationId, Error> {
        let invalid = |code, message: &str| Error::new(ErrorKind::FixCall, code, message);
        let payload = self.0.open_with(state, &binding.0).map_err(|error| match error {
            RequestStateError::Expired => {
                invalid("request_state_expired", "the time to answer is over; make the call anew, without `requestState`")
            }
            _ => invalid(
                "request_state_invalid",
                "`requestState` is not one that this server gave for this call; send it back as it was, with the same tool, \
                 arguments and caller",
            ),
        })?;
        let id = payload.get(..16).and_then(|id| <[u8; 16]>::try_from(id).ok());
        id.map(InvocationId::from_bytes)
            .ok_or_else(|| invalid("request_state_invalid", "`requestState` does not name a call"))
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::InputRequests;
    use serde_json::json;

    use super::*;
    use crate::chance::{Chance as _, SystemChance};

    #[tokio::test]
    async fn a_state_is_opened_for_its_call_only_and_not_when_it_was_changed() {
        let store = crate::store::GroupCommit::new(crate::store::MemoryBackend::default()).expect("a thread");
        let secret = Secret::of(&store, SystemChance.secret()).await.expect("a secret");
        let rounds = Rounds::new(&secret);
        let now = crate::clock::Clock::now(&crate::clock::SystemClock);
        let id = InvocationId::new(now);
        let binding = |principal, tool, arguments| Binding::new(principal, tool, &arguments);
        let own = || binding("ada", "pay", json!({ "cents": 1 }));
        let until = |expires_at| InputRequired { requests: InputRequests::new(), answered: 0, expires_at };
        let sealed = rounds.input_required(id, until(now.after(Duration::from_secs(60))), now, &own());
        let state = sealed.request_state.expect("a state");
        assert_eq!(rounds.open(&state, &own()).expect("its own"), id);
        for other in [
            binding("bob", "pay", json!({ "cents": 1 })),
            binding("ada", "refund", json!({ "cents": 1 })),
            binding("ada", "pay", json!({ "cents": 2 })),
        ] {
            assert_eq!(rounds.open(&state, &other).expect_err("foreign").code(), "request_state_invalid");
        }
        for changed in
            [format!("{state}x"), state.replace('.', "_"), String::new(), state[..state.len() - 1].to_owned()]
        {
            assert_eq!(rounds.open(&changed, &own()).expect_err("changed").code(), "request_state_invalid");
        }
        let past = rounds.input_required(id, until(now), now, &own()).request_state.expect("a state");
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(rounds.open(&past, &own()).expect_err("expired").code(), "request_state_expired");
    }
}
