//! Asks gates what the state says is to be asked. Only the leader does, each question in a task of its
//! own, and what comes of it goes into the log. A question whose answer was lost with its leader is asked
//! by the next one under the same key: a gate that has acted on it knows it again.

use std::collections::BTreeSet;

use millwright_coordinator_domain::{
    State,
    command::{Body, GateAnswered},
    rollout::{OpenQuestion, gate_named, open_questions},
    state::{GateAsked, GateKey, Rollout},
};
use millwright_model::{
    digest::Digest,
    gate::{Gate, GateAnswer},
    id::{Name, RolloutId},
};
use tokio::task::JoinSet;

use super::propose;
use crate::{
    edge,
    gate::{Client, request},
    node::Shared,
    secret,
};

/// Questions that are asked at a time: one that hangs must not keep the others waiting, and hundreds of
/// connections to one service help nobody.
const AT_ONCE: usize = 16;
/// The key of a secret that signs requests.
const SIGNING_KEY: &str = "key";

type Asking = (RolloutId, GateKey, u32);

/// Questions that this leader asks now; dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Made for the first question: who has no gates needs no TLS for them.
    client: Option<Client>,
    tasks: JoinSet<Asking>,
    asking: BTreeSet<Asking>,
}

impl Questions {
    /// Begins with those that nobody asks yet, as far as there is room.
    pub(super) fn begin(&mut self, shared: &Shared, state: &State) {
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(key) => drop(self.asking.remove(&key)),
                // Its place would never be free again.
                Err(_) => self.asking.clear(),
            }
        }
        for question in open_questions(state) {
            if self.asking.len() >= AT_ONCE {
                return;
            }
            let record = &question.record;
            let key = (question.rollout.clone(), record.key.clone(), record.attempt);
            if self.asking.insert(key.clone()) {
                let (shared, client, state) = (shared.clone(), self.client(), state.clone());
                self.tasks.spawn(async move {
                    ask(&shared, client, &state, &question).await;
                    key
                });
            }
        }
    }

    fn client(&mut self) -> Result<Client, String> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let made = Client::new().map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })?;
        self.client = Some(made.clone());
        Ok(made)
    }
}

async fn ask(
    shared: &Shared,
    client: Result<Client, String>,
    state: &State,
    question: &OpenQuestion,
) {
    let OpenQuestion { rollout: id, record } = question;
    let Some(rollout) = state.rollouts().get(id) else { return };
    let Some(gate) = gate_named(rollout, &record.key) else { return };
    let (outcome, asked) = exchange(shared, client, state, question, rollout, gate).await;
    if let Err(why) = &outcome {
        tracing::warn!(rollout = %id, gate = %gate.name, why, "a gate gave no answer");
    }
    let answered = GateAnswered {
        rollout: id.clone(),
        key: record.key.clone(),
        attempt: record.attempt,
        outcome,
        asked,
    };
    propose(shared, Body::GateAnswered(answered)).await;
}

async fn exchange(
    shared: &Shared,
    client: Result<Client, String>,
    state: &State,
    question: &OpenQuestion,
    rollout: &Rollout,
    gate: &Gate,
) -> (Result<GateAnswer, String>, GateAsked) {
    let prepared = async {
        let client = client?;
        let request = request::of(shared, state, question, rollout, gate).await?;
        let secret = gate.secret_ref.as_ref().map(|name| signing_key(shared, state, name));
        Ok::<_, String>((client, request, secret.transpose()?))
    };
    let (client, request, secret) = match prepared.await {
        Ok(prepared) => prepared,
        Err(why) => {
            let why = format!("gate {} was not asked: {why}", gate.name);
            return (Err(why), GateAsked::default());
        }
    };
    let body = Digest::of(&request.to_json()).to_string();
    let secret = secret.as_ref().map(String::as_bytes);
    let asked = client.ask(gate, secret, &request, edge::now()).await;
    let facts = GateAsked {
        idempotency_key: request.idempotency_key(),
        request: if asked.attempts == 0 { String::new() } else { body },
        requests: asked.attempts,
        took: asked.took,
    };
    (asked.result.map_err(|failure| failure.to_string()), facts)
}

/// What signs the requests: the value of `key`, or the only value that the secret has.
fn signing_key(shared: &Shared, state: &State, name: &Name) -> Result<String, String> {
    let stored = state.secrets().get(name).ok_or_else(|| format!("there is no secret {name}"))?;
    let opened = secret::open(shared, &stored.resource)
        .map_err(|_| format!("secret {name} cannot be opened with this cluster's key"))?;
    let mut data = opened.data;
    let one = data.len() == 1;
    let value = data.remove(SIGNING_KEY).or_else(|| one.then(|| data.into_values().next())?);
    value
        .ok_or_else(|| format!("secret {name} has several values, and none is named {SIGNING_KEY}"))
}
