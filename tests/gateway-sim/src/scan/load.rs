//! What a scan makes of the tree that it has read, and how that becomes what the gateway knows.

use std::sync::Arc;

use crate::{
    gateway::{Gateway, State},
    model,
    scan::Kind,
    tree::Tree,
};

/// What a scan has read, to become what the gateway knows.
#[derive(Debug)]
pub(crate) struct Loaded {
    kind: Kind,
    config: Option<model::config::Config>,
    projects: Option<model::projects::Projects>,
    /// Level, logger and text.
    lines: Vec<(&'static str, String, String)>,
    changed: Vec<String>,
    moved: bool,
}

/// Makes it what the gateway knows, says late what did not load; whether it is something new.
pub(crate) fn install(gateway: &Arc<Gateway>, mut loaded: Loaded) -> bool {
    let lines = std::mem::take(&mut loaded.lines);
    for (level, logger, text) in lines {
        let gateway_then = Arc::clone(gateway);
        let (least, most) = gateway.see(|s| (s.knobs.notice_min_ms, s.knobs.notice_max_ms));
        let ms = rand::random_range(least..=most.max(least));
        gateway.tasks.spawn(async move {
            if gateway_then.pause(ms).await {
                gateway_then.change(|state| state.say(level, &logger, &text));
            }
        });
    }
    gateway.change(|state| loaded.install(state))
}

impl Loaded {
    fn install(self, state: &mut State) -> bool {
        if let Some(config) = self.config {
            state.config = Arc::new(config);
        }
        if let Some(projects) = self.projects {
            state.projects = Arc::new(projects);
        }
        for project in &self.changed {
            state.sessions.project_changed(project, &[], None);
        }
        if self.kind == Kind::Projects && !self.changed.is_empty() {
            state.say("INFO", "ProjectManager", &format!("Projects changed: {:?}", self.changed));
        }
        self.moved
    }
}

/// Loaded things, stale folders, refused resources.
pub(crate) fn load_tree(
    gateway: &Gateway,
    tree: &Tree,
    kind: Kind,
) -> (Loaded, Vec<String>, Vec<String>) {
    let data_dir = &gateway.settings.data_dir;
    let (knobs, refuse, config, projects) = gateway.see(|state| {
        let known = (Arc::clone(&state.config), Arc::clone(&state.projects));
        (state.knobs.clone(), state.refuse.clone(), known.0, known.1)
    });
    let mut loaded =
        Loaded { kind, config: None, projects: None, lines: vec![], changed: vec![], moved: false };
    for path in &tree.unreadable {
        loaded.lines.push(("ERROR", "ScanManager".into(), format!("Cannot read {path}")));
    }
    match kind {
        Kind::Projects => {
            let found = model::projects::read(data_dir, tree, &projects, knobs.projects_mismatch);
            let mut refused: Vec<String> =
                found.refused.iter().map(|(path, _)| path.clone()).collect();
            for (path, why) in found.refused {
                let text = format!("Error loading resource {path}: {why}");
                loaded.lines.push(("ERROR", "ProjectManager".into(), text));
            }
            for path in refuse
                .iter()
                .filter(|path| path.starts_with("projects/") && tree.folders.contains_key(*path))
            {
                refused.push(path.clone());
                let text = format!("Resource {path} is invalid, will not be loaded");
                loaded.lines.push(("WARN", "ProjectManager".into(), text));
            }
            loaded.moved = !found.changed.is_empty();
            loaded.changed = found.changed;
            loaded.projects = Some(found.projects);
            (loaded, found.stale, refused)
        }
        Kind::Config => {
            let rules = model::config::Rules { mismatch: knobs.config_mismatch, refuse: &refuse };
            let found = model::config::read(data_dir, tree, &config, &rules);
            let refused = found.refused.iter().map(|(key, _)| key.path()).collect();
            for (key, refusal) in &found.refused {
                loaded.lines.extend(refusal.line(&key.kind, &key.path()));
            }
            loaded.moved = !found.changed.is_empty()
                || found.tags_changed
                || found.config.wedge != config.wedge
                || found.config.collections != config.collections;
            loaded.config = Some(found.config);
            (loaded, found.stale, refused)
        }
    }
}
