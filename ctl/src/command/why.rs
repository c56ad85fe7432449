//! `millctl why`: everything that keeps a gateway or a rollout from going on, and what clears it.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::{Span, Timestamp};
use millwright_proto::control::{Blocker, WhyRequest};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::{client, kind_of},
    complete,
    error::Result,
    output::{self, Style},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl why gateway line1
  millctl why rollout plants-7
  millctl why gateway line1 -o json")]
pub struct Args {
    /// gateway or rollout.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub kind: String,
    /// Which.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: String,
}

fn value(blocker: &Blocker) -> Value {
    let Blocker { code, subject, message, owner, since_ms, next_ms, clear } = blocker;
    let at = |ms: u64| (ms > 0).then(|| Timestamp(ms).to_string());
    json!({"code": code, "subject": subject, "message": message, "owner": owner,
        "since": at(*since_ms), "next": at(*next_ms), "clear": clear})
}

pub(super) async fn run(global: &Global, Args { kind, name }: Args) -> Result<()> {
    let kind = kind_of(&kind)?;
    let mut client = client(global)?;
    let request =
        WhyRequest { kind: kind.to_string(), name: name.clone(), stale: client.is_stale() };
    let answer = client.read(async |mut control| control.why(request.clone()).await).await?;
    let all: Vec<Value> = answer.blockers.iter().map(value).collect();
    output::show(&global.output, &all.into(), Some(answer.index), |_| {
        if answer.blockers.is_empty() {
            return format!("nothing holds {} {name}\n", kind.as_str().to_lowercase());
        }
        picture(&answer.blockers, Timestamp(answer.at_ms), output::style())
    })?;
    client.note_index(answer.index);
    Ok(())
}

/// How long it is from one moment to a later one, in whole seconds.
fn span(later: Timestamp, earlier: Timestamp) -> Span {
    Span(later.since(earlier).0 / 1_000 * 1_000)
}

/// One paragraph for each: what, since when and until when, and what clears it.
fn picture(blockers: &[Blocker], now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    for blocker in blockers {
        let Blocker { code, subject, message, owner, since_ms, next_ms, clear } = blocker;
        let code = style.paint(output::style::Tone::Waiting, code);
        out.push_str(&format!("{code}  {subject}: {message}\n"));
        let mut notes = Vec::new();
        if !owner.is_empty() {
            notes.push(format!("up to {owner}"));
        }
        let lasted = span(now, Timestamp(*since_ms));
        if *since_ms > 0 && lasted > Span(0) {
            notes.push(format!("for {lasted}"));
        }
        if *next_ms > now.0 {
            let left = span(Timestamp(*next_ms), now);
            notes.push(format!("may change in {left}"));
        }
        if !notes.is_empty() {
            out.push_str(&format!("    {}\n", notes.join(", ")));
        }
        if !clear.is_empty() {
            out.push_str(&format!("    {clear}\n"));
        }
    }
    out
}
