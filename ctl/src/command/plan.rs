//! `millctl plan`: what a rollout of a fleet would do, gateway by gateway, before anything is done.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::{resource::Kind, time::Span};
use millwright_proto::control::PlanFleetRequest;
use serde_json::Value;

use crate::{
    cli::Global,
    command::{client, kind_of},
    complete,
    error::{self, Error, Result},
    output::{self, terminal},
    view::plan::whole,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl plan fleet plants                       what it follows now
  millctl plan fleet plants --ref v2.3.0
  millctl plan fleet plants --simulate --deadline 8h
  millctl plan fleet plants -o json | jq -r .data.spec.planHash")]
pub struct Args {
    /// fleet.
    pub kind: String,
    /// Which.
    #[arg(add = ArgValueCandidates::new(complete::fleets))]
    pub name: String,
    /// Of this branch, tag or commit instead of what the fleet follows.
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Play it with a clock that jumps: when each gateway would begin and end, as long as nothing fails,
    /// people approve and gates allow.
    #[arg(long)]
    pub simulate: bool,
    /// How far the simulation looks; what is left then is listed. A week when nothing is said.
    #[arg(long, value_name = "SPAN", requires = "simulate")]
    pub deadline: Option<Span>,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { kind, name, reference, simulate, deadline } = args;
    if kind_of(&kind)? != Kind::Fleet {
        let error =
            Error::new(error::Kind::Usage, format!("{kind} cannot be planned: a fleet can"));
        return Err(error.hint(format!("millctl plan fleet {name}")));
    }
    let mut client = client(global)?;
    let request = PlanFleetRequest {
        fleet: name,
        reference: reference.unwrap_or_default(),
        simulate,
        deadline_ms: deadline.map_or(0, |span| span.0),
        stale: client.is_stale(),
    };
    let answer = client.read(async |mut control| control.plan_fleet(request.clone()).await).await?;
    let value: Value = serde_json::from_slice(&answer.json).map_err(|error| {
        Error::new(error::Kind::Bug, format!("the plan cannot be read: {error}"))
    })?;
    output::show(&global.output, &value, Some(answer.index), |wide| {
        whole(&value, output::style(), if wide { None } else { terminal::width() })
    })?;
    client.note_index(answer.index);
    Ok(())
}
