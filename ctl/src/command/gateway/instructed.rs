//! Instructions to an agent: each one is carried out once, and its answer is waited for.

use millwright_model::time::Span;
use millwright_proto::control::InstructRequest;
use serde_json::{Value, json};

use super::Waiting;
use crate::{
    cli::Global,
    client::Client,
    error::{Error, Kind, Result},
    follow::gateway::{Tell, Wait, read, until},
    output,
    view::{list, text},
};

/// An instruction that nobody has carried out is void after this, unless one waits longer.
const LIFE: Span = Span(10 * 60_000);

/// What an agent answered to an instruction.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// The instruction as the cluster keeps it, its detail read as JSON.
    pub(crate) record: Value,
    /// Details of the answer; null when there are none.
    pub(crate) detail: Value,
    /// Whether it was done.
    pub(crate) ok: bool,
    /// For people.
    pub(crate) message: String,
    /// The gateway when the answer had come.
    pub(crate) gateway: Value,
    /// Log index of the instruction.
    pub(crate) index: u64,
}

/// What an agent is to do.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    /// Which gateway's agent.
    pub(crate) gateway: &'a str,
    /// What, as the wire says it.
    pub(crate) kind: &'a str,
    /// A snapshot's id, where one is meant.
    pub(crate) subject: &'a str,
    /// Why.
    pub(crate) reason: String,
}

/// Instructs an agent and waits for its answer; `None` when nobody waits, which has been shown then.
pub(crate) async fn instructed(
    global: &Global,
    client: &mut Client,
    ask: Ask<'_>,
    waiting: &Waiting,
) -> Result<Option<Answered>> {
    let Ask { gateway, kind, subject, reason } = ask;
    read(client, gateway).await?;
    let request = InstructRequest {
        gateway: gateway.to_owned(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        reason,
        ttl_ms: waiting.timeout.max(LIFE).0,
        ..InstructRequest::default()
    };
    let given = client.control().await?.instruct(request).await?.into_inner();
    let words = kind.replace('_', " ");
    if waiting.detach {
        let value = json!({"kind": "Instruction", "id": given.id, "gateway": gateway,
            "instruction": kind});
        output::show(&global.output, &value, Some(given.index), |_| {
            format!("the agent of {gateway} is asked for a {words} ({})\n", given.id)
        })?;
        return Ok(None);
    }
    let wait = Wait {
        gateway,
        what: &format!("the {words}"),
        since: given.index,
        timeout: waiting.timeout.into(),
        tell: Tell::Hindrances,
    };
    let (mut record, value) = until(client, wait, |value| {
        let all = list(value, "/status/instructions");
        let ours = all.iter().find(|one| text(one, "/id") == given.id);
        let ended = ours.filter(|one| one["answer"].is_object());
        ended.map(|one| (one.clone(), value.clone()))
    })
    .await?;
    let detail = record.pointer("/answer/detail").and_then(Value::as_str).unwrap_or_default();
    let detail: Value = serde_json::from_str(detail).unwrap_or_default();
    record["answer"]["detail"] = detail.clone();
    Ok(Some(Answered {
        ok: record["answer"]["ok"] == true,
        message: text(&record, "/answer/message"),
        record,
        detail,
        gateway: value,
        index: given.index,
    }))
}

impl Answered {
    /// An error when it was not done.
    pub(crate) fn verdict(&self, what: &str) -> Result<()> {
        if self.ok {
            return Ok(());
        }
        Err(Error::new(Kind::OperationFailed, format!("{what}: {}", self.message)))
    }
}
