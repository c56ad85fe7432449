//! Checks before anything is touched; every failure is reported at once.

use std::time::Duration;

use millwright_agent_domain::job::Event;
use millwright_model::report::{Failure, FailureKind, Retry, Step};
use tokio::time::Instant;

use super::{Tools, Work};
use crate::fs;

/// Between two looks at a gateway that is not running.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits, bounded, for the gateway to run; then checks.
pub async fn run(tools: &Tools, _work: &Work) -> Event {
    let mut failures = Vec::new();
    if let Err(failure) = running(tools).await {
        failures.push(failure);
    } else {
        identity(tools, &mut failures).await;
    }
    disk(tools, &mut failures);
    if failures.is_empty() { Event::Done } else { Event::Failed(failures) }
}

async fn running(tools: &Tools) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from(tools.config.gateway.wait);
    loop {
        let failure = match tools.gateway.state().await {
            Ok(state) if state == "RUNNING" => return Ok(()),
            Ok(state) => Failure {
                step: Step::Preflight,
                kind: FailureKind::GatewayNotRunning,
                retry: Retry::Later,
                message: format!("the gateway is {state}, not RUNNING"),
            },
            Err(trouble) => trouble.failure(Step::Preflight),
        };
        if Instant::now() >= deadline {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The data directory and the web server must belong to the same gateway.
async fn identity(tools: &Tools, failures: &mut Vec<Failure>) {
    let name = match tools.gateway.info().await {
        Ok((name, _)) => name,
        Err(trouble) => return failures.push(trouble.failure(Step::Preflight)),
    };
    let found = ["core", "external"].iter().find_map(|collection| {
        let path = format!("config/resources/{collection}/ignition/system-properties/config.json");
        let path = tools.config.gateway.data_dir.join(path);
        let bytes = fs::read_if_there(&path).ok()??;
        let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        config["systemName"].as_str().map(str::to_owned)
    });
    let message = match found {
        Some(found) if found == name => return,
        Some(found) => format!(
            "the data directory belongs to {found:?}, but {name:?} answers at {}",
            tools.config.gateway.url
        ),
        None => format!(
            "{} has no system-properties with a systemName: is it an Ignition 8.3 data directory?",
            tools.config.gateway.data_dir.display()
        ),
    };
    let kind = FailureKind::WrongGateway;
    failures.push(Failure { step: Step::Preflight, kind, retry: Retry::Never, message });
}

fn disk(tools: &Tools, failures: &mut Vec<Failure>) {
    let data_dir = &tools.config.gateway.data_dir;
    match (fs::device(data_dir), fs::device(tools.state.path())) {
        (Ok(data), Ok(own)) if data == own => {}
        (Ok(_), Ok(_)) => failures.push(Failure {
            step: Step::Preflight,
            kind: FailureKind::Internal,
            retry: Retry::Never,
            message: format!(
                "{} and {} are on different file systems, so files cannot be renamed into place: \
                 move the agent's folder",
                tools.state.path().display(),
                data_dir.display()
            ),
        }),
        (Err(error), _) | (_, Err(error)) => failures.push(error.failure(Step::Preflight)),
    }
}
