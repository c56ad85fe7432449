//! `millctl windows`: which windows of a fleet are open at a moment, and what that means for a gateway. The
//! evaluator is the one of coordinators and agents; the moment is whatever is asked about.

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::{
    resource::Strings,
    selector::Selector,
    time::Timestamp,
    window::{Calendar, Evaluation, Kind, State, Window, evaluate},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    cli::Global,
    client::Client,
    command::client,
    complete,
    error::{self, Error, Result},
    output::{
        self,
        table::{Column, table},
        terminal,
    },
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl windows fleet plants
  millctl windows fleet plants --at 2026-12-24T22:30:00+01:00
  millctl windows fleet plants --gateway line1";

const COLUMNS: [Column; 6] = [
    Column::new("WINDOW"),
    Column::new("KIND"),
    Column::new("STATE"),
    Column::new("CHANGES"),
    Column::prose("SCHEDULE").spare(2),
    Column::prose("GATEWAYS").spare(1),
];

/// What to do with windows.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The windows of one fleet.
    #[command(after_help = EXAMPLES)]
    Fleet(Args),
}

/// Which windows, and when.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which fleet.
    #[arg(add = ArgValueCandidates::new(complete::fleets))]
    pub name: String,
    /// At this moment, as RFC 3339. Default now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Only windows that mean this gateway, and what may be done on it then.
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: Option<String>,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    let Command::Fleet(Args { name, at, gateway }) = command;
    let at = at.unwrap_or_else(|| Timestamp(output::now_ms()));
    let mut client = client(global)?;
    let (fleet, index) = one(&mut client, "Fleet", &name).await?;
    let mut windows: Vec<Window> = part(&fleet, "/spec/windows")?;
    let mut verdict = None;
    if let Some(gateway) = gateway {
        let labels = labels_of(&mut client, &gateway).await?;
        let selector: Selector = part(&fleet, "/spec/selector")?;
        if !selector.matches(&labels) {
            let message = format!("fleet {name} does not select gateway {gateway}");
            return Err(Error::new(error::Kind::Usage, message));
        }
        windows.retain(|window| window.select.matches(&labels));
        verdict = Some((gateway, evaluate(&windows, &labels, at)));
    }
    let calendar = Calendar::at(&windows, at);
    let mut data = json!({"kind": "Windows", "name": name, "at": at.to_string(),
        "next": moment(calendar.next_change()),
        "windows": calendar.states().map(|(window, state)| value(window, state)).collect::<Vec<_>>()});
    if let Some((gateway, evaluation)) = &verdict {
        data["gateway"] = judged(gateway, evaluation);
    }
    output::show(&global.output, &data, Some(index), |wide| {
        let limit = if wide { None } else { terminal::width() };
        let mut text = picture(&calendar, limit);
        if let Some((gateway, evaluation)) = &verdict {
            text.push_str(&sentence(gateway, evaluation, at));
        }
        text
    })?;
    client.note_index(index);
    Ok(())
}

async fn one(client: &mut Client, kind: &str, name: &str) -> Result<(Value, u64)> {
    let listing = client.get(kind, name, "").await?;
    let missing = || {
        let message = format!("{} {name} does not exist", kind.to_lowercase());
        Error::new(error::Kind::NotFound, message)
    };
    Ok((listing.values.into_iter().next().ok_or_else(missing)?, listing.index))
}

async fn labels_of(client: &mut Client, gateway: &str) -> Result<Strings> {
    let (value, _) = one(client, "Gateway", gateway).await?;
    part(&value, "/metadata/labels")
}

/// A part of a resource; one that is not there is as if it were empty.
fn part<T: DeserializeOwned + Default>(value: &Value, pointer: &str) -> Result<T> {
    let Some(found) = value.pointer(pointer) else { return Ok(T::default()) };
    serde_json::from_value(found.clone()).map_err(|error| {
        let message = format!("{pointer} of the cluster cannot be read: {error}");
        Error::new(error::Kind::Error, message).hint("is millctl as new as the coordinators?")
    })
}

fn moment(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_string().into())
}

fn value(window: &Window, state: State) -> Value {
    let mut value = serde_json::to_value(window).unwrap_or_default();
    value["state"] = word(state).into();
    if let State::Open { since, .. } = state {
        value["since"] = moment(since);
    }
    value["changes"] = moment(state.changes());
    value
}

fn word(state: State) -> &'static str {
    match state {
        State::Open { .. } => "open",
        State::Closed { .. } => "closed",
        State::Unreadable => "unreadable",
    }
}

fn judged(gateway: &str, evaluation: &Evaluation) -> Value {
    json!({"name": gateway, "automatic": evaluation.automatic, "byHand": evaluation.by_hand,
        "overrun": evaluation.overrun, "why": evaluation.to_string(),
        "next": moment(evaluation.next_change)})
}

fn picture(calendar: &Calendar<'_>, limit: Option<usize>) -> String {
    let rows: Vec<Vec<String>> =
        calendar.states().map(|(window, state)| row(window, state)).collect();
    if rows.is_empty() {
        output::note("no window: gateways may be changed at any time");
        return String::new();
    }
    table(&COLUMNS, &rows, limit, output::style())
}

fn row(window: &Window, state: State) -> Vec<String> {
    let Window { name, kind, schedule, duration, time_zone, select, .. } = window;
    let kind = match kind {
        Kind::Allow => "allow",
        Kind::Deny => "deny",
    };
    let changes = match (state, state.changes()) {
        (State::Open { .. }, Some(at)) => format!("closes {at}"),
        (State::Closed { .. }, Some(at)) => format!("opens {at}"),
        (State::Open { .. } | State::Closed { .. } | State::Unreadable, _) => "-".to_owned(),
    };
    let gateways = if select.is_empty() { "all".to_owned() } else { select.to_string() };
    let schedule = format!("{schedule} for {duration}, {time_zone}");
    vec![name.to_string(), kind.to_owned(), word(state).to_owned(), changes, schedule, gateways]
}

/// What may be done, by whom, why, and until when.
fn sentence(gateway: &str, evaluation: &Evaluation, at: Timestamp) -> String {
    let may = match (evaluation.automatic, evaluation.by_hand) {
        (true, _) => "may be changed",
        (false, true) => "may be changed by hand only",
        (false, false) => "may not be changed",
    };
    let overrun = match (evaluation.automatic, evaluation.overrun) {
        (false, true) => "; what was begun before may end",
        (true, _) | (false, false) => "",
    };
    let next = evaluation.next_change.map(|next| format!("\n    the same until {next}"));
    let next = next.unwrap_or_default();
    format!("\n{gateway} {may} at {at}: {evaluation}{overrun}{next}\n")
}
