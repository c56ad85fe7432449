//! Carries out one command.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use super::Command;
use crate::{
    clock,
    config::Profile,
    designer, disk,
    gateway::{Gateway, Phase, State},
    held,
    json::{gson, merge},
    lifecycle,
    model::config::Key,
    pair,
    saves::{self, Content},
    scan::{self, Kind},
    seed, tags, token,
};

/// Does it; what it answers is for whoever asked.
pub(crate) async fn run(gateway: &Arc<Gateway>, command: Command) -> anyhow::Result<Value> {
    match command {
        Command::Save { save } => return designer::save(gateway, save).await,
        Command::Up => lifecycle::come_back(gateway).await,
        Command::Failover => pair::failover(gateway).await,
        Command::Token { name, level, secure_only } => {
            let add = move |gateway: &Arc<Gateway>| add_token(gateway, &name, &level, secure_only);
            return gateway.blocking(add).await;
        }
        Command::Commissioned { yes } => {
            gateway.blocking(move |gateway| commission(gateway, yes)).await?;
        }
        Command::Write { files } => {
            let write = move |gateway: &Arc<Gateway>| {
                files.iter().try_for_each(|(path, text)| write_foreign(gateway, path, text))
            };
            gateway.blocking(write).await?;
        }
        Command::Hold { path } => {
            let held = gateway.blocking(move |gateway| held::hold(&gateway.path(&path))).await?;
            gateway.change(|state| state.held.push(held));
        }
        Command::EditTags { provider, path, tags } => {
            tags::edit(gateway, &provider, &path, &tags);
        }
        Command::Scan { kind } => {
            return Ok(scan::trigger(gateway, kind, "web-ui").unwrap_or_default());
        }
        Command::Restart => lifecycle::restart(gateway),
        Command::Down => lifecycle::go_down(gateway, Phase::Starting),
        Command::Dark => lifecycle::go_down(gateway, Phase::Dark),
        other => return gateway.change(|state| set(state, other)),
    }
    Ok(Value::Null)
}

/// Commands that only change the state.
fn set(state: &mut State, command: Command) -> anyhow::Result<Value> {
    match command {
        Command::Set { knobs } => {
            let mut whole = serde_json::to_value(&state.knobs)?;
            merge(&mut whole, &knobs);
            state.knobs = serde_json::from_value(whole).context("no such knob")?;
        }
        Command::Open { session } => {
            let now = state.now_ms();
            return Ok(json!({"id": state.sessions.open(session, now)}));
        }
        Command::Close { id } => anyhow::ensure!(state.sessions.close(&id), "no session {id}"),
        Command::Live { id, live } => {
            state.sessions.get_mut(&id).with_context(|| format!("no session {id}"))?.new.live =
                live;
        }
        Command::Fault { fault } => state.faults.push(fault),
        Command::ClearFaults => state.faults.clear(),
        Command::LetGo => state.held.clear(),
        Command::Lock { kind, actor, hold_ms } => lock(state, kind, actor, hold_ms),
        Command::Unlock { kind } => {
            if state.slot(kind).lock.free(clock::machine_ms()) {
                state.counters.locks_lapsed += 1;
            }
        }
        Command::Refuse { resource } => state.refuse.push(resource),
        Command::ClearRefusals => state.refuse.clear(),
        Command::Log { level, logger, message, times } => {
            for _ in 0..times {
                state.say(&level, &logger, &message);
            }
        }
        Command::Module { id, state: module } => state.modules.set(&id, module.as_deref()),
        Command::Quarantine { id, reason } => state.modules.quarantine(&id, &reason),
        Command::PendingRestart { what } => state.modules.wait_for_restart(what),
        Command::Trial { seconds_left } => state.trial.set(seconds_left),
        Command::RevokeToken { name } => state.tokens.retain(|token| token.name != name),
        Command::Peer { address } => state.pair.peer = address,
        Command::Activity { level } => {
            state.pair.pinned = level.is_some();
            if let Some(level) = level {
                state.pair.set(level);
            }
        }
        Command::Link { up } => state.pair.link = up,
        Command::Approve { yes } => state.pair.approved = yes,
        Command::ProjectState { state: said } => state.pair.project_state = said,
        Command::SyncPending { yes } => state.pair.sync_pending = yes,
        Command::WebDev { path, status, body } => {
            state.webdev.insert(path, (status, body));
        }
        // Carried out by `run`.
        Command::Save { .. }
        | Command::Up
        | Command::Failover
        | Command::Token { .. }
        | Command::Commissioned { .. }
        | Command::Write { .. }
        | Command::EditTags { .. }
        | Command::Hold { .. }
        | Command::Scan { .. }
        | Command::Restart
        | Command::Down
        | Command::Dark => {}
    }
    Ok(Value::Null)
}

fn lock(state: &mut State, kind: Kind, actor: String, hold_ms: u64) {
    let hold = Duration::from_millis(hold_ms);
    state.slot(kind).lock.hold(actor, hold, Instant::now(), clock::machine_ms());
}

fn add_token(
    gateway: &Arc<Gateway>,
    name: &str,
    level: &str,
    secure_only: bool,
) -> anyhow::Result<Value> {
    let key = token::new_key();
    let hash = token::key_hash(&key).context("a made key has a hash")?;
    let folder = format!("config/resources/external/ignition/api-token/{name}");
    let config = token::body(&hash, secure_only, level);
    disk::write(gateway, &format!("{folder}/config.json"), gson(&config)?.as_bytes())?;
    let meta = gson(&seed::plain_meta())?;
    disk::write(gateway, &format!("{folder}/resource.json"), meta.as_bytes())?;
    let made = token::Token::read(name, &config).context("a made token can be read")?;
    gateway.change(|state| {
        state.tokens.retain(|token| token.name != name);
        state.tokens.push(made);
    });
    Ok(json!({"token": format!("{name}:{key}")}))
}

/// Commissioning writes the security settings anew, once, whatever was there.
fn commission(gateway: &Arc<Gateway>, yes: bool) -> anyhow::Result<()> {
    disk::write(gateway, "commissioning.json", seed::commissioning(yes).as_bytes())?;
    let fresh = yes && gateway.see(|state| state.phase) == Phase::Uncommissioned;
    if fresh && gateway.settings.profile == Profile::V83 {
        let key = Key { kind: "ignition/security-properties".into(), name: None };
        let config = Some(seed::security_properties());
        saves::save(
            gateway,
            &key,
            "core",
            Content { config, ..Content::default() },
            "system-init",
        )?;
    }
    gateway.change(|state| {
        state.phase = if yes { Phase::Running } else { Phase::Uncommissioned };
    });
    Ok(())
}

/// Atomically, and without telling the witness.
fn write_foreign(gateway: &Gateway, path: &str, text: &str) -> anyhow::Result<()> {
    let leaves = path.split('/').any(|segment| segment == "..");
    anyhow::ensure!(!leaves, "{path} leaves the data directory");
    let whole = gateway.path(path);
    fs::create_dir_all(whole.parent().context("a path has a parent")?)?;
    let staged = gateway.path(".foreign-write");
    fs::write(&staged, text)?;
    Ok(fs::rename(&staged, &whole)?)
}
