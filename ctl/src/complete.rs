//! What a shell may complete: words of this program, and live names from the cluster. A shell waits
//! for it, so it has half a second; without an answer it offers nothing and says nothing.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::CommandFactory;
use clap_complete::{CompleteEnv, engine::CompletionCandidate};
use millwright_model::resource::Kind;
use millwright_proto::control::{ClusterStatusRequest, GetRequest, ListTokensRequest};
use serde_json::Value;

use crate::{
    cli::Cli,
    client::Client,
    context::{self, file::File, settings::default_path},
    output,
};

/// A shell waits at most this long.
const BUDGET: Duration = Duration::from_millis(500);
/// Names offered at most; a shell shows no more anyway.
const NAMES_MAX: usize = 1_000;
/// The shell's script asks through this variable.
pub const VARIABLE: &str = "MILLCTL_COMPLETE";

/// Answers a shell's question and ends the process, if this is one.
pub fn answer_shell() {
    if std::env::var_os(VARIABLE).is_some() {
        output::set_up(true, true);
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
    }
}

fn candidates<T: Into<std::ffi::OsString>>(
    words: impl IntoIterator<Item = T>,
) -> Vec<CompletionCandidate> {
    words.into_iter().take(NAMES_MAX).map(CompletionCandidate::new).collect()
}

/// Formats of `-o`.
pub fn formats() -> Vec<CompletionCandidate> {
    candidates(["table", "wide", "json", "yaml", "name", "jsonpath="])
}

/// Kinds, as typed at a prompt.
pub fn kinds() -> Vec<CompletionCandidate> {
    candidates(Kind::ALL.into_iter().map(Kind::plural))
}

/// Words of the command line to be completed, without the program's name.
fn words() -> Vec<String> {
    let all = std::env::args().skip_while(|word| word != "--").skip(2);
    all.collect()
}

/// Value of an option in the words so far.
fn option(words: &[String], name: &str) -> Option<String> {
    let joined = format!("{name}=");
    words.iter().enumerate().find_map(|(at, word)| {
        let inline = word.strip_prefix(&joined).map(str::to_owned);
        inline.or_else(|| (word == name).then(|| words.get(at + 1).cloned()).flatten())
    })
}

fn config(words: &[String]) -> PathBuf {
    let from_env = || std::env::var("MILLWRIGHT_CONFIG").ok();
    option(words, "--config").or_else(from_env).map_or_else(default_path, PathBuf::from)
}

/// Names of contexts.
pub fn contexts() -> Vec<CompletionCandidate> {
    let Ok(file) = File::read(&config(&words())) else { return Vec::new() };
    candidates(file.contexts.into_iter().map(|entry| entry.name))
}

fn client() -> Option<Client> {
    millwright_certs::install_crypto_provider();
    let words = words();
    let wanted = option(&words, "--context").or_else(|| std::env::var("MILLWRIGHT_CONTEXT").ok());
    let context = context::load(&config(&words), wanted.as_deref()).ok()?;
    Some(Client::new(context, true))
}

/// Asks the cluster within the budget.
fn live<T>(ask: impl AsyncFnOnce(Client) -> Option<Vec<T>>) -> Vec<CompletionCandidate>
where
    T: Into<std::ffi::OsString>,
{
    let Some(client) = client() else { return Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let answer = runtime.block_on(async { tokio::time::timeout(BUDGET, ask(client)).await });
    // A lookup of a host name may still hang; the shell does not wait for it.
    runtime.shutdown_background();
    answer.ok().flatten().map(candidates).unwrap_or_default()
}

/// Names of a kind.
pub fn names(kind: Kind) -> Vec<CompletionCandidate> {
    if kind == Kind::JoinToken {
        return tokens();
    }
    let request =
        GetRequest { kind: kind.as_str().to_owned(), stale: true, ..GetRequest::default() };
    live(async |mut client| {
        let answer = client.control().await.ok()?.get(request).await.ok()?.into_inner();
        Some(answer.resources.into_iter().map(|resource| resource.name).collect::<Vec<_>>())
    })
}

/// Names of gateways.
pub fn gateways() -> Vec<CompletionCandidate> {
    names(Kind::Gateway)
}

/// Kinds that have a history.
pub fn historic() -> Vec<CompletionCandidate> {
    candidates(["gateway", "fleet", "rollout"])
}

/// Ids of the snapshots of the gateway that the line names.
pub fn snapshots() -> Vec<CompletionCandidate> {
    of_gateway_before(|status| ids(status, "/snapshots", "/id"))
}

/// What the gateway that the line names can be rolled back to: its snapshots, and the commits that
/// it has run.
pub fn targets() -> Vec<CompletionCandidate> {
    of_gateway_before(|status| {
        let mut all = ids(status, "/snapshots", "/id");
        let commits: BTreeSet<String> = ids(status, "/history", "/commit").into_iter().collect();
        all.extend(commits.into_iter().map(|commit| commit.chars().take(8).collect()));
        all
    })
}

fn ids(status: &Value, list: &str, key: &str) -> Vec<String> {
    let items = status.pointer(list).and_then(Value::as_array);
    let id = |item: &Value| item.pointer(key).and_then(Value::as_str).map(str::to_owned);
    items.into_iter().flatten().filter_map(id).collect()
}

/// Something of the status of the gateway that stands after noun and verb: the first word there
/// that names one.
fn of_gateway_before(pick: impl Fn(&Value) -> Vec<String>) -> Vec<CompletionCandidate> {
    let words = words();
    let after = words.into_iter().skip(2).filter(|word| !word.is_empty() && !word.starts_with('-'));
    let wanted: Vec<String> = after.collect();
    live(async |mut client| {
        let mut control = client.control().await.ok()?;
        for name in wanted {
            let request =
                GetRequest { kind: "Gateway".to_owned(), name, stale: true, ..Default::default() };
            let Ok(answer) = control.get(request).await else { continue };
            let resource = answer.into_inner().resources.into_iter().next()?;
            let value: Value = serde_json::from_slice(&resource.json).ok()?;
            return Some(pick(value.pointer("/status")?));
        }
        None
    })
}

/// Ids of rollouts.
pub fn rollouts() -> Vec<CompletionCandidate> {
    names(Kind::Rollout)
}

/// Names of fleets.
pub fn fleets() -> Vec<CompletionCandidate> {
    names(Kind::Fleet)
}

/// Ids of tokens that can still be used.
pub fn tokens() -> Vec<CompletionCandidate> {
    live(async |mut client| {
        let request = ListTokensRequest { stale: true };
        let answer = client.control().await.ok()?.list_tokens(request).await.ok()?.into_inner();
        let open = answer.tokens.into_iter().filter(|token| token.state == "open");
        Some(open.map(|token| token.id).collect::<Vec<_>>())
    })
}

/// Names of coordinators.
pub fn nodes() -> Vec<CompletionCandidate> {
    live(async |mut client| {
        let request = ClusterStatusRequest { stale: true };
        let answer = client.control().await.ok()?.cluster_status(request).await.ok()?;
        Some(answer.into_inner().nodes.into_iter().map(|node| node.name).collect::<Vec<_>>())
    })
}

/// Names of the kind that the line names before: `get gateways <tab>`.
pub fn names_of_kind_before() -> Vec<CompletionCandidate> {
    let kind = words().iter().skip(1).find_map(|word| word.parse::<Kind>().ok());
    kind.map(names).unwrap_or_default()
}

/// Names of what a token of the role that the line names is for.
pub fn names_of_role_before() -> Vec<CompletionCandidate> {
    let words = words();
    let has = |role: &str| words.iter().any(|word| word == role);
    if has("agent") {
        names(Kind::Gateway)
    } else if has("operator") {
        names(Kind::Operator)
    } else if has("coordinator") {
        nodes()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_both_spellings() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(option(&words("get --context a gw"), "--context").as_deref(), Some("a"));
        assert_eq!(option(&words("get --context=b"), "--context").as_deref(), Some("b"));
        assert_eq!(option(&words("get gw"), "--context"), None);
    }
}
