//! `millctl lint`: what is wrong with resources and the files that they map, without a cluster. For a
//! person before a commit and for the CI of a repository.

mod sarif;
mod worktree;

use std::path::PathBuf;

use millwright_render::lint::{Finding, Report, Severity, lint};
use serde_json::{Value, json};

use self::worktree::Worktree;
use super::apply::source;
use crate::{
    cli::Global,
    error::{self, Error, Result},
    output::{self, Output},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl lint -f millwright/                    resources and files of this folder's repository
  millctl lint -f fleet.yaml --repo ../plant     files of another folder
  millctl lint -f millwright/ -o json            for a program
  millctl lint -f millwright/ -o sarif           for a forge, which shows it beside the lines

Exit codes: 0 no errors (warnings are shown), 1 errors, 2 wrong usage.")]
pub struct Args {
    /// Files or folders of resources; '-' is standard input.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub filename: Vec<PathBuf>,
    /// Working tree of the repository that the mappings' sources are in.
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub repo: PathBuf,
    /// Warnings fail too.
    #[arg(long)]
    pub strict: bool,
}

pub(super) fn run(global: &Global, Args { filename, repo, strict }: Args) -> Result<()> {
    if !repo.is_dir() {
        let message = format!("{} is no folder", repo.display());
        return Err(Error::new(error::Kind::Usage, message)
            .hint("--repo names the working tree of the repository"));
    }
    let texts = source::sources(&filename)?;
    let report = lint(&texts, &Worktree::new(repo.clone()));
    let (errors, warnings) = counts(&report);
    let findings: Vec<Value> = report.findings.iter().map(value).collect();
    let data = json!({
        "errors": errors, "warnings": warnings, "resources": report.resources,
        "gateways": report.gateways, "files": report.files, "findings": findings,
    });
    let log = (global.output == Output::Sarif).then(|| sarif::log(&report, &repo));
    output::show(&global.output, log.as_ref().unwrap_or(&data), None, |_| table(&report))?;
    if errors == 0 && !(strict && warnings > 0) {
        return Ok(());
    }
    Err(Error::new(error::Kind::Error, format!("{errors} errors, {warnings} warnings")))
}

fn counts(report: &Report) -> (usize, usize) {
    let errors = report.findings.iter().filter(|f| f.rule.severity() == Severity::Error).count();
    (errors, report.findings.len() - errors)
}

fn value(finding: &Finding) -> Value {
    let (line, column) = finding.position.unzip();
    json!({
        "rule": finding.rule.as_str(), "severity": finding.rule.severity().as_str(),
        "file": finding.file, "line": line, "column": column, "message": finding.message,
    })
}

fn table(report: &Report) -> String {
    let mut out: String = report.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let (errors, warnings) = counts(report);
    out.push_str(&format!(
        "{} resources, {} gateways, {} files: {errors} errors, {warnings} warnings\n",
        report.resources, report.gateways, report.files
    ));
    out
}
