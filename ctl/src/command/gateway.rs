//! `millctl gateway`: what a person asks of one gateway. What all of these share is here: which
//! gateway, why, whether and how long to wait, and the two ways to ask: an action, which ends in an
//! attempt, and an instruction, which ends in an answer.

pub mod drift;
pub mod dry_run;
pub mod pause;
pub mod resume;
pub mod retry;
pub mod rollback;
pub mod sessions;
pub mod sync;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::Span;
use millwright_proto::control::{ActOnGatewayRequest, InstructRequest};
use serde_json::{Value, json};

use crate::{
    cli::{Global, Reason},
    client::Client,
    command::client,
    complete,
    error::{Error, Kind, Result},
    follow::gateway::{Tell, Wait, read, until},
    output::{self, terminal},
    view::{attempt, list, number, text},
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl gateway sync line1 -m 'after the disk was replaced'
  millctl gateway retry line1
  millctl gateway rollback line1 -m 'wrong recipe'     back to before the last change
  millctl gateway pause line1 -m 'audit until Friday'
  millctl gateway dry-run line1                        what an apply would change
  millctl gateway sessions line1                       who is at work there";

/// What to do with a gateway.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply the assignment again, reading every file anew.
    Sync(sync::Args),
    /// Try again what failed.
    Retry(retry::Args),
    /// Go back to the files of a snapshot or of a commit.
    Rollback(rollback::Args),
    /// Give it nothing new until it is resumed.
    Pause(pause::Args),
    /// End a pause.
    Resume(resume::Args),
    /// What an apply would change, without changing it.
    #[command(name = "dry-run")]
    DryRun(dry_run::Args),
    /// Who is at work on it.
    Sessions(sessions::Args),
    /// Files that somebody else changed.
    Drift(drift::Args),
}

/// A gateway by name.
#[derive(Debug, Clone, clap::Args)]
pub struct Gateway {
    /// Which gateway.
    #[arg(value_name = "GATEWAY", add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: String,
}

/// Whether and how long to wait.
#[derive(Debug, Clone, clap::Args)]
pub struct Waiting {
    /// Do not wait for the end.
    #[arg(long)]
    pub detach: bool,
    /// Stop waiting after this; 0 looks once.
    #[arg(long, default_value = "5m")]
    pub timeout: Span,
}

/// An instruction that nobody has carried out is void after this, unless one waits longer.
const LIFE: Span = Span(10 * 60_000);

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Sync(args) => sync::run(global, args).await,
        Command::Retry(args) => retry::run(global, args).await,
        Command::Rollback(args) => rollback::run(global, args).await,
        Command::Pause(args) => pause::run(global, args).await,
        Command::Resume(args) => resume::run(global, args).await,
        Command::DryRun(args) => dry_run::run(global, args).await,
        Command::Sessions(args) => sessions::run(global, args).await,
        Command::Drift(args) => drift::run(global, args).await,
    }
}

/// Sends an action; a name that does not exist is answered with the nearest. The answer is the log
/// index of the change.
async fn send(client: &mut Client, request: ActOnGatewayRequest) -> Result<u64> {
    read(client, &request.gateway).await?;
    Ok(client.control().await?.act_on_gateway(request).await?.into_inner().index)
}

/// An action that is done at once.
async fn at_once(
    global: &Global,
    action: &str,
    done: &str,
    of: Gateway,
    why: Reason,
) -> Result<()> {
    let gateway = of.gateway;
    let request = ActOnGatewayRequest {
        gateway: gateway.clone(),
        action: action.to_owned(),
        reason: why.reason,
        ..ActOnGatewayRequest::default()
    };
    let index = send(&mut client(global)?, request).await?;
    let value = json!({"kind": "Gateway", "name": gateway, "action": done});
    output::show(&global.output, &value, Some(index), |_| format!("gateway/{gateway} {done}\n"))
}

/// An action that ends in an attempt: waits for its end and shows it.
pub(super) async fn attempted(
    global: &Global,
    client: &mut Client,
    request: ActOnGatewayRequest,
    waiting: &Waiting,
) -> Result<()> {
    let (gateway, action) = (request.gateway.clone(), request.action.clone());
    let index = send(client, request).await?;
    let mut shown = json!({"kind": "Gateway", "name": gateway, "action": action});
    if waiting.detach {
        return output::show(&global.output, &shown, Some(index), |_| {
            format!("gateway/{gateway} {action} begins\n")
        });
    }
    let wait = Wait {
        gateway: &gateway,
        what: &format!("the {action}"),
        since: index,
        timeout: waiting.timeout.into(),
        tell: Tell::Every,
    };
    // The first look that is new enough says which attempt is meant.
    let mut meant = None;
    let ended = until(client, wait, |value| {
        let meant = *meant.get_or_insert_with(|| order(&value["status"]["desired"]));
        let all = list(value, "/status/history");
        all.iter().rev().find(|attempt| order(attempt) >= meant).cloned()
    })
    .await?;
    shown["attempt"] = ended.clone();
    output::show(&global.output, &shown, Some(index), |wide| {
        let limit = if wide { None } else { terminal::width() };
        attempt::whole(&gateway, &ended, output::style(), limit)
    })?;
    match text(&ended, "/result").as_str() {
        "applied" => Ok(()),
        result => Err(Error::new(Kind::OperationFailed, bad_end(&gateway, &action, result))
            .hint(next_step(&gateway, result))),
    }
}

/// Generation and try: what is later is greater.
fn order(value: &Value) -> (u64, u64) {
    (number(value, "/generation"), number(value, "/attempt"))
}

fn bad_end(gateway: &str, action: &str, result: &str) -> String {
    let end = match result {
        "rolledBack" => "failed, and the files from before are back",
        "inconsistent" => "failed, and the files from before are not all back",
        _ => "failed, and nothing was changed",
    };
    format!("the {action} of gateway {gateway} {end}")
}

fn next_step(gateway: &str, result: &str) -> String {
    match result {
        "inconsistent" => {
            format!("look at the gateway first, then: millctl gateway sync {gateway}")
        }
        _ => format!("mend the cause, then: millctl gateway retry {gateway}"),
    }
}

/// What an agent answered to an instruction.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    /// The instruction as the cluster keeps it, its detail read as JSON.
    pub(super) record: Value,
    /// Details of the answer; null when there are none.
    pub(super) detail: Value,
    /// Whether it was done.
    pub(super) ok: bool,
    /// For people.
    pub(super) message: String,
    /// The gateway when the answer had come.
    pub(super) gateway: Value,
    /// Log index of the instruction.
    pub(super) index: u64,
}

/// What an agent is to do.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    /// Which gateway's agent.
    pub(super) gateway: &'a str,
    /// What, as the wire says it.
    pub(super) kind: &'a str,
    /// A snapshot's id, where one is meant.
    pub(super) subject: &'a str,
    /// Why.
    pub(super) reason: String,
}

/// Instructs an agent and waits for its answer; `None` when nobody waits, which has been shown then.
pub(super) async fn instructed(
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
    pub(super) fn verdict(&self, what: &str) -> Result<()> {
        if self.ok {
            return Ok(());
        }
        Err(Error::new(Kind::OperationFailed, format!("{what}: {}", self.message)))
    }
}
