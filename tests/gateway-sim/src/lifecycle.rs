//! Boot and restart: what is read and written when the gateway starts, and how it goes down.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    clock,
    config::{Profile, Role},
    gateway::{Gateway, Phase},
    pair::Activity,
    scan::{self, Kind},
    stamps,
    token::Token,
    tree::ROOTS,
};

/// Files that a running gateway goes on changing.
const NOISY: [&str; 4] = [
    "logs/wrapper.log",
    "valueStore.idb",
    "projects/.resources/cache",
    "config/resources/.resources/cache",
];
/// Singletons that each start stamps anew.
const STAMPED_AT_BOOT: [&str; 2] = ["quickstart", "system-properties"];

/// Reads everything, and serves.
pub(crate) fn boot(gateway: &Arc<Gateway>) -> anyhow::Result<()> {
    let data_dir = &gateway.settings.data_dir;
    let now = gateway.see(|state| state.now_ms());
    if gateway.settings.profile == Profile::V83 {
        for kind in STAMPED_AT_BOOT {
            let folder = format!("config/resources/core/ignition/{kind}");
            let dir = gateway.path(&folder);
            if dir.join("resource.json").exists() {
                stamps::restamp(&dir, gateway.form(), "unknown", &clock::stamp(now))?;
            }
        }
    }
    noise(gateway, "started\n")?;
    let mode = mode_of(data_dir);
    gateway.change(|state| {
        state.config = Arc::default();
        state.projects = Arc::default();
        Arc::make_mut(&mut state.config).mode = mode;
    });
    load(gateway, true)?;
    let uncommissioned = fs::read_to_string(data_dir.join("commissioning.json"))
        .is_ok_and(|text| !text.contains("\"COMMISSIONED\""));
    gateway.change(|state| {
        state.tokens = tokens(&state.config);
        let now = state.now_ms();
        for kind in [Kind::Projects, Kind::Config] {
            let slot = state.slot(kind);
            slot.last_timestamp = now.max(slot.last_timestamp + 1);
            slot.last_duration = 1;
        }
        state.booted = Instant::now();
        state.pair.active_since = state.booted;
        state.pair.sequence = now.max(state.pair.sequence + 1);
        if state.pair.role == Role::Master {
            "Good".clone_into(&mut state.pair.project_state);
        }
        state.phase = if uncommissioned { Phase::Uncommissioned } else { Phase::Running };
        state.say("INFO", "gateway", "Gateway started");
    });
    Ok(())
}

/// Takes the files as they are; `fresh` forgets what others did to them before.
pub(crate) fn load(gateway: &Arc<Gateway>, fresh: bool) -> anyhow::Result<()> {
    let mut disk = gateway.disk();
    let tree = disk.reader.read(&gateway.settings.data_dir, &ROOTS)?;
    if fresh {
        disk.witness.accept(&gateway.settings.data_dir, &tree);
    }
    for kind in [Kind::Projects, Kind::Config] {
        let (loaded, _, _) = scan::load_tree(gateway, &tree, kind);
        scan::install(gateway, loaded);
    }
    Ok(())
}

/// The mode in the JVM's arguments.
fn mode_of(data_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(data_dir.join("ignition.conf")).ok()?;
    let after =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
            line.split_once("-Dignition.config.mode=").map(|(_, after)| after.to_owned())
        })?;
    let name: String =
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Tokens as the configuration has them.
pub(crate) fn tokens(config: &crate::model::config::Config) -> Vec<Token> {
    let keys = config.items.keys().filter(|key| key.kind == "ignition/api-token");
    keys.filter_map(|key| {
        let (_, item) = config.effective(key)?;
        let enabled = item.meta["attributes"]["enabled"].as_bool().unwrap_or(true);
        let token = Token::read(key.name.as_deref()?, &item.config)?;
        enabled.then_some(token)
    })
    .collect()
}

/// What a gateway writes all the time: its log, its value store, its caches of content.
pub(crate) fn noise(gateway: &Gateway, line: &str) -> anyhow::Result<()> {
    let mut disk = gateway.disk();
    let data_dir = &gateway.settings.data_dir;
    for path in NOISY {
        if !data_dir.join(path).parent().is_some_and(Path::is_dir) {
            continue;
        }
        let mut bytes = fs::read(data_dir.join(path)).unwrap_or_default();
        bytes.extend_from_slice(line.as_bytes());
        crate::disk::write_with(gateway, &mut disk, path, &bytes)?;
    }
    Ok(())
}

/// Writes noise as long as the simulation runs and the knob says so.
pub(crate) async fn keep_noise(gateway: Arc<Gateway>) {
    /// A quiet gateway logs some lines a minute.
    const EVERY_MS: u64 = 1_000;
    while gateway.pause(EVERY_MS).await {
        let wanted = gateway.see(|state| state.knobs.noise && state.phase == Phase::Running);
        if wanted {
            let write = |gateway: &Arc<Gateway>| {
                noise(gateway, "tick\n")?;
                crate::tags::churn(gateway, &gateway.settings.data_dir)
            };
            let written = gateway.blocking(write).await;
            if let Err(error) = written {
                gateway.change(|state| state.say("WARN", "wrapper", &error.to_string()));
            }
        }
    }
}

/// Goes on answering for a while, is away, and comes back.
pub(crate) fn restart(gateway: &Arc<Gateway>) {
    let gateway_then = Arc::clone(gateway);
    gateway.tasks.spawn(async move {
        let gateway = gateway_then;
        if !gateway.pause(gateway.see(|state| state.knobs.restart.linger_ms)).await {
            return;
        }
        go_down(&gateway, Phase::Dark);
        if !gateway.pause(gateway.see(|state| state.knobs.restart.dark_ms)).await {
            return;
        }
        gateway.change(|state| state.phase = Phase::Starting);
        if !gateway.pause(gateway.see(|state| state.knobs.restart.down_ms)).await {
            return;
        }
        come_back(&gateway).await;
    });
}

/// Stops serving: locks, scans and sessions are gone.
pub(crate) fn go_down(gateway: &Gateway, phase: Phase) {
    gateway.change(|state| {
        state.phase = phase;
        state.sessions.drop_all();
        state.counters.restarts += 1;
        for kind in [Kind::Projects, Kind::Config] {
            let slot = state.slot(kind);
            slot.active = None;
            slot.lock.free(clock::machine_ms());
        }
        state.pair.connected = false;
        state.say("INFO", "gateway", "Gateway is restarting");
    });
}

/// Boots again. A master whose backup serves leaves it so for a while.
pub(crate) async fn come_back(gateway: &Arc<Gateway>) {
    let booted = gateway.blocking(boot).await;
    gateway.change(|state| {
        if let Err(error) = booted {
            state.say("ERROR", "gateway", &format!("Cannot start: {error:#}"));
        }
        state.modules.restarted();
        let recovery = Duration::from_millis(state.knobs.pair.recovery_ms);
        match state.pair.role {
            Role::Master if state.pair.peer_active => {
                state.pair.become_active(Activity::Cold);
                state.pair.handover = Some(Instant::now() + recovery);
            }
            Role::Backup => state.pair.become_active(Activity::Cold),
            Role::Master | Role::Independent => {}
        }
    });
}
