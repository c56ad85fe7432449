//! `millctl token list`, and what `get tokens` shows.

use millwright_model::time::Timestamp;
use millwright_proto::control::{ListTokensRequest, Token};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    client::Client,
    command::client,
    error::Result,
    output::{
        self,
        table::{Column, table},
        terminal,
    },
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl token list
  millctl token list -o jsonpath='$.items[?(@.state == \"open\")].id'")]
pub struct Args {}

const COLUMNS: [Column; 6] = [
    Column::new("ID"),
    Column::new("ROLE"),
    Column::new("FOR"),
    Column::new("STATE"),
    Column::new("EXPIRES").spare(1),
    Column::prose("CREATED BY").spare(2),
];

/// A token as JSON.
pub(crate) fn value(token: &Token) -> Value {
    json!({
        "kind": "JoinToken", "id": token.id, "name": token.name, "role": token.role,
        "member": token.member, "state": token.state, "createdAt": token.created_at_ms,
        "expiresAt": token.expires_at_ms, "createdBy": token.created_by,
    })
}

/// Tokens of the cluster, the newest last.
pub(crate) async fn tokens(client: &mut Client) -> Result<Vec<Token>> {
    let request = ListTokensRequest { stale: client.is_stale() };
    let read = client.read(async |mut control| control.list_tokens(request).await).await?;
    let mut tokens = read.tokens;
    tokens.sort_by_key(|token| token.created_at_ms);
    client.note_index(client.applied());
    Ok(tokens)
}

/// `operator/ann` of `spiffe://cluster/operator/ann`: all are of this cluster.
fn creator(identity: &str) -> &str {
    let path = identity.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
    path.map_or(identity, |(_, path)| path)
}

fn row(token: &Token) -> Vec<String> {
    let pair = !matches!(token.member.as_str(), "" | "single");
    let member = if pair { format!(" ({})", token.member) } else { String::new() };
    vec![
        token.id.clone(),
        token.role.clone(),
        format!("{}{member}", token.name),
        token.state.clone(),
        Timestamp(token.expires_at_ms).to_string(),
        creator(&token.created_by).to_owned(),
    ]
}

/// Shows a list of tokens.
pub(crate) fn show(global: &Global, tokens: &[Token]) -> Result<()> {
    let values = Value::from(tokens.iter().map(value).collect::<Vec<_>>());
    if global.output == output::Output::Name {
        // The name of a token is whom it is for; what other commands take is the id.
        output::print(&tokens.iter().map(|token| format!("{}\n", token.id)).collect::<String>());
        return Ok(());
    }
    output::show(&global.output, &values, None, |wide| {
        if tokens.is_empty() {
            output::note("no tokens; millctl token create makes one");
            return String::new();
        }
        let rows: Vec<Vec<String>> = tokens.iter().map(row).collect();
        let limit = if wide { None } else { terminal::width() };
        table(&COLUMNS, &rows, limit, output::style())
    })
}

pub(super) async fn run(global: &Global, Args {}: Args) -> Result<()> {
    let tokens = tokens(&mut client(global)?).await?;
    show(global, &tokens)
}
