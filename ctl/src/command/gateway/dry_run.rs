//! `millctl gateway dry-run`: what an apply would change on a gateway and what would stop it, by the
//! agent's own comparison with the live files.

use serde_json::Value;

use super::{Ask, Gateway, Waiting, instructed, instructed::Answered};
use crate::{
    cli::{Global, Reason},
    command::client,
    error::Result,
    output::{
        self,
        style::{Style, Tone},
        terminal::{self, shorten},
    },
    view::{attempt::failures, bytes, fields::Fields, list, number, words},
};

/// Paths of a kind that are shown at a prompt; a wide table has all.
const PATHS_MAX: usize = 30;

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl gateway dry-run line1
  millctl gateway dry-run line1 -o wide            every path
  millctl gateway dry-run line1 -o jsonpath='{.answer.detail.removed[*]}'

It exits with 0 when nothing would stop the apply, 8 when a check failed, 7 when it stopped waiting.")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { of, waiting, why }: Args) -> Result<()> {
    let mut client = client(global)?;
    let ask = Ask { gateway: &of.gateway, kind: "dry_run", subject: "", reason: why.reason };
    let Some(answer) = instructed(global, &mut client, ask, &waiting).await? else {
        return Ok(());
    };
    output::show(&global.output, &answer.record, Some(answer.index), |wide| {
        let limit = if wide { None } else { terminal::width() };
        picture(&of.gateway, &answer, wide, limit, output::style())
    })?;
    answer.verdict(&format!("gateway {} would not apply it", of.gateway))
}

fn picture(
    gateway: &str,
    answer: &Answered,
    wide: bool,
    width: Option<usize>,
    style: Style,
) -> String {
    let detail = &answer.detail;
    let mut out = Fields::new(style, width);
    out.line("Gateway", &style.paint(Tone::Strong, gateway));
    out.line("Dry run", &answer.message);
    if number(detail, "/bytes") > 0 {
        out.line("To write", &bytes(number(detail, "/bytes")));
    }
    out.line("Projects", &words(detail, "/projects"));
    failures(&mut out, "Failure", list(detail, "/failures"));
    failures(&mut out, "Notice", list(detail, "/notices"));
    let kinds = [
        ("Added", "/added", "+", Tone::Good),
        ("Changed", "/changed", "~", Tone::Waiting),
        ("Removed", "/removed", "-", Tone::Bad),
        ("Kept, though git does not have them", "/kept", "=", Tone::Dim),
    ];
    for (title, path, sign, tone) in kinds {
        let paths: Vec<&str> = list(detail, path).iter().filter_map(Value::as_str).collect();
        if paths.is_empty() {
            continue;
        }
        out.heading(title);
        let most = if wide { paths.len() } else { PATHS_MAX };
        for path in paths.iter().take(most) {
            let line = format!("{sign} {path}");
            let line = width.map_or_else(|| line.clone(), |width| shorten(&line, width));
            out.raw(&format!("{}\n", style.paint(tone, &line)));
        }
        if paths.len() > most {
            out.raw(&format!("and {} more: -o wide\n", paths.len() - most));
        }
    }
    out.finish()
}
