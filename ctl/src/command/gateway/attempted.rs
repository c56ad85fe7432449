//! Actions that end in an attempt: the end is waited for and shown, and decides the exit code.

use millwright_proto::control::ActOnGatewayRequest;
use serde_json::{Value, json};

use super::{Waiting, send};
use crate::{
    cli::Global,
    client::Client,
    error::{Error, Kind, Result},
    follow::gateway::{Tell, Wait, until},
    output::{self, terminal},
    view::{attempt, list, number, text},
};

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
