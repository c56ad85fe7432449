//! A rollout for people: the whole of it, and a picture that fits the terminal while it runs. Both
//! are pure: the same rollout, size and moment give the same text.

use serde_json::Value;

use super::{fields::Fields, list, maybe, number, text};
use crate::output::{
    span,
    style::{Style, Tone, tone_of},
    table::{Column, table},
    terminal::{columns, shorten},
};

/// Widest bar.
const BAR_MAX: usize = 40;
/// Members of a stage that are named in a small terminal.
const NAMED_MIN: usize = 2;

/// What a picture must fit into, and when it is taken.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Colours and signs.
    pub style: Style,
}

/// A line in parts; it is cut to the width without cutting a colour.
#[derive(Debug, Default)]
struct Line(Vec<(Tone, String)>);

impl Line {
    fn add(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    fn render(&self, frame: Frame) -> String {
        let (mut left, mut out) = (frame.width.saturating_sub(1), String::new());
        for (tone, text) in &self.0 {
            let part = shorten(text, left);
            left -= columns(&part);
            out.push_str(&frame.style.paint(*tone, &part));
        }
        out.trim_end().to_owned()
    }
}

fn bar(done: u64, failed: u64, total: u64, width: usize, style: Style) -> [(Tone, String); 3] {
    let cells = |count: u64| {
        let share = count * width as u64 / total.max(1);
        usize::try_from(share).unwrap_or(0).max(usize::from(count > 0)).min(width)
    };
    let bad = cells(failed);
    let good = cells(done).min(width - bad);
    let (full, none) = (style.sign("█", "#"), style.sign("░", "."));
    [
        (Tone::Good, full.repeat(good)),
        (Tone::Bad, style.sign("█", "!").repeat(bad)),
        (Tone::Dim, none.repeat(width - good - bad)),
    ]
}

/// Order of interest: what failed, what is under way, what is done, what waits.
fn rank(state: &str) -> u8 {
    match state {
        "failed" => 0,
        "assigned" => 1,
        "applied" => 2,
        _ => 3,
    }
}

fn sign(state: &str, style: Style) -> &'static str {
    match state {
        "done" | "applied" => style.sign("✔", "*"),
        "failed" => style.sign("✖", "x"),
        "open" | "assigned" => style.sign("●", "o"),
        "skipped" => style.sign("–", "-"),
        _ => style.sign("○", "."),
    }
}

/// Time that a rollout has run, or took.
pub fn took(value: &Value, now_ms: u64) -> String {
    let began = number(value, "/status/startedAt");
    let ended = value.pointer("/status/finishedAt").and_then(Value::as_u64).unwrap_or(now_ms);
    if began == 0 { "-".to_owned() } else { span(ended.saturating_sub(began)) }
}

fn stage_line(stage: &Value, last: bool, names: usize, frame: Frame) -> Line {
    let style = frame.style;
    let count = |name: &str| number(stage, &format!("/{name}"));
    let (total, done, failed) = (count("total"), count("applied"), count("failed"));
    let word = if failed > 0 { "failed".to_owned() } else { text(stage, "/state") };
    let branch = if last { style.sign("└─ ", "`- ") } else { style.sign("├─ ", "|- ") };
    let mut notes = Vec::new();
    for name in ["running", "failed", "skipped", "deferred", "reverted"] {
        if count(name) > 0 {
            notes.push(format!("{} {name}", count(name)));
        }
    }
    let width = frame.width.saturating_sub(names + 46).clamp(8, BAR_MAX);
    let name = text(stage, "/name");
    let mut line = Line::default()
        .add(Tone::Dim, branch)
        .add(tone_of(&word), sign(&word, style))
        .add(Tone::Plain, format!(" {name}{}  ", " ".repeat(names.saturating_sub(columns(&name)))));
    for (tone, part) in bar(done + count("skipped"), failed, total, width, style) {
        line = line.add(tone, part);
    }
    let done = format!("  {:>7}", format!("{done}/{total}"));
    line.add(Tone::Plain, done).add(Tone::Dim, format!("  {}", notes.join(", ")))
}

fn member_line(member: &Value, last_stage: bool, wide: usize, frame: Frame) -> Line {
    let style = frame.style;
    let state = text(member, "/state");
    let trunk = if last_stage { "   " } else { style.sign("│  ", "|  ") };
    let name = text(member, "/gateway");
    let gap = " ".repeat(wide.saturating_sub(columns(&name)));
    Line::default()
        .add(Tone::Dim, trunk)
        .add(tone_of(&state), format!("  {} ", sign(&state, style)))
        .add(Tone::Plain, format!("{name}{gap}  "))
        .add(tone_of(&state), format!("{state:<8}"))
        .add(Tone::Plain, format!("  {}", maybe(member, "/message")))
}

/// Members to name per stage, so that the picture fits the height.
fn shares(value: &Value, room: usize) -> Vec<usize> {
    let stages = list(value, "/status/stages");
    let mut shares = vec![0; stages.len()];
    let mut left = room;
    // Failed and open stages are what people look at; the others get what is left.
    for interesting in [true, false] {
        for (at, stage) in stages.iter().enumerate() {
            let open = text(stage, "/state") == "open" || number(stage, "/failed") > 0;
            if open != interesting {
                continue;
            }
            let total = usize::try_from(number(stage, "/total")).unwrap_or(usize::MAX);
            shares[at] = if total <= left { total } else { left.saturating_sub(1) };
            left -= (shares[at] + usize::from(shares[at] < total)).min(left);
        }
    }
    shares
}

/// The picture of a running rollout; every line fits the frame.
pub fn picture(value: &Value, frame: Frame) -> String {
    let style = frame.style;
    let state = text(value, "/status/state");
    let title = Line::default()
        .add(Tone::Strong, text(value, "/metadata/name"))
        .add(tone_of(&state), format!("  {state}"))
        .add(Tone::Plain, format!(" {}", took(value, frame.now_ms)))
        .add(
            Tone::Dim,
            format!(
                "  fleet {}  commit {} ({})",
                text(value, "/spec/fleet"),
                super::short(value, "/spec/commit"),
                text(value, "/spec/reference")
            ),
        );
    let mut lines = vec![title.render(frame)];
    let stages = list(value, "/status/stages");
    let names = stages.iter().map(|stage| columns(&text(stage, "/name"))).max().unwrap_or(0);
    let room = frame.height.saturating_sub(stages.len() + 4).max(NAMED_MIN);
    let members = list(value, "/status/members");
    let wide = members.iter().map(|one| columns(&text(one, "/gateway"))).max().unwrap_or(0);
    for (at, (stage, share)) in stages.iter().zip(shares(value, room)).enumerate() {
        let last = at + 1 == stages.len();
        lines.push(stage_line(stage, last, names, frame).render(frame));
        let name = text(stage, "/name");
        let mut inside: Vec<&Value> =
            members.iter().filter(|member| text(member, "/stage") == name).collect();
        inside.sort_by_key(|member| rank(&text(member, "/state")));
        for member in inside.iter().take(share) {
            lines.push(member_line(member, last, wide, frame).render(frame));
        }
        if share > 0 && inside.len() > share {
            let trunk = if last { "   " } else { style.sign("│  ", "|  ") };
            let rest = format!("{trunk}    and {} more", inside.len() - share);
            lines.push(Line::default().add(Tone::Dim, rest).render(frame));
        }
    }
    lines.join("\n") + "\n"
}

/// Everything about a rollout.
pub fn whole(value: &Value, style: Style, width: Option<usize>) -> String {
    let at = |path: &str| text(value, path);
    let mut out = Fields::new(style, width);
    out.line("Rollout", &style.paint(Tone::Strong, &at("/metadata/name")));
    out.state("State", &at("/status/state"), &at("/status/reason"), &at("/status/message"));
    out.line("Fleet", &at("/spec/fleet"));
    out.line("Repository", &at("/spec/repository"));
    let commit = super::short(value, "/spec/commit");
    out.line("Commit", &format!("{commit} ({})", at("/spec/reference")));
    out.line("Plan", &at("/spec/planHash"));
    let now = crate::output::now_ms();
    let began = millwright_model::time::Timestamp(number(value, "/status/startedAt"));
    let running = if at("/status/finishedAt") == "-" { "running for" } else { "took" };
    out.line("Started", &format!("{began}, {running} {}", took(value, now)));
    for one in list(value, "/status/waits").iter().take(WAITS_MAX) {
        let waits = format!(
            "{}: {}",
            style.paint(Tone::Waiting, &text(one, "/subject")),
            text(one, "/message")
        );
        out.line("Waits", &waits);
    }
    out.heading("Stages");
    let stages: Vec<Vec<String>> = list(value, "/status/stages")
        .iter()
        .map(|stage| {
            let paths = [
                "/name",
                "/state",
                "/total",
                "/applied",
                "/running",
                "/failed",
                "/skipped",
                "/deferred",
                "/reverted",
            ];
            paths.iter().map(|path| text(stage, path)).collect()
        })
        .collect();
    out.raw(&table(&STAGES, &stages, width, style));
    let gates: Vec<Vec<String>> = list(value, "/status/gates")
        .iter()
        .map(|gate| {
            let paths = ["/gate", "/phase", "/subject", "/state", "/attempt", "/message"];
            paths.iter().map(|path| text(gate, path)).collect()
        })
        .collect();
    if !gates.is_empty() {
        out.heading("Gates");
        out.raw(&table(&GATES, &gates, width, style));
    }
    out.heading("Members");
    let members: Vec<Vec<String>> = list(value, "/status/members")
        .iter()
        .map(|member| {
            let paths = ["/gateway", "/stage", "/state", "/generation", "/message"];
            paths.iter().map(|path| text(member, path)).collect()
        })
        .collect();
    out.raw(&table(&MEMBERS, &members, width, style));
    out.finish()
}

/// Reasons shown beside a rollout; all of them: `millctl why`.
const WAITS_MAX: usize = 5;

const GATES: [Column; 6] = [
    Column::new("GATE"),
    Column::new("PHASE").spare(1),
    Column::new("SUBJECT"),
    Column::new("STATE"),
    Column::new("ASKED").spare(2),
    Column::prose("MESSAGE"),
];

const STAGES: [Column; 9] = [
    Column::new("STAGE"),
    Column::new("STATE"),
    Column::new("TOTAL"),
    Column::new("APPLIED"),
    Column::new("RUNNING"),
    Column::new("FAILED"),
    Column::new("SKIPPED").spare(1),
    Column::new("DEFERRED").spare(2),
    Column::new("REVERTED").spare(2),
];

const MEMBERS: [Column; 5] = [
    Column::new("GATEWAY"),
    Column::new("STAGE"),
    Column::new("STATE"),
    Column::new("GENERATION").spare(1),
    Column::prose("MESSAGE"),
];

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    fn rollout(gateways: usize) -> Value {
        let member = |n: usize| {
            let (state, message) = match n {
                0 => ("applied", ""),
                1 => ("failed", "verify: the scan never completed, restored the files from before"),
                2 => ("assigned", ""),
                _ => ("pending", ""),
            };
            let stage = if n == 0 { "canary" } else { "rest" };
            json!({"gateway": format!("gw{n}"), "stage": stage, "state": state,
                "generation": 2, "message": message})
        };
        json!({
            "metadata": {"name": "plants-2"},
            "spec": {"fleet": "plants", "commit": "4bf57a65aa", "reference": "branch main"},
            "status": {
                "state": "Running", "startedAt": 1_000, "message": "stage rest",
                "stages": [
                    {"name": "canary", "state": "done", "total": 1, "applied": 1, "running": 0, "failed": 0, "skipped": 0},
                    {"name": "rest", "state": "open", "total": gateways - 1, "applied": 0, "running": 1, "failed": 1, "skipped": 0},
                ],
                "members": (0..gateways).map(member).collect::<Vec<_>>(),
            },
        })
    }

    fn at(width: usize, height: usize, unicode: bool) -> String {
        let style = Style { color: false, unicode };
        picture(&rollout(40), Frame { width, height, now_ms: 76_000, style })
    }

    #[test]
    fn the_picture_fits_80_columns() {
        assert_snapshot!("picture-80", at(80, 12, true));
    }

    #[test]
    fn the_picture_fits_160_columns_without_unicode() {
        assert_snapshot!("picture-160", at(160, 9, false));
    }

    #[test]
    fn no_line_is_wider_and_no_picture_higher_than_the_terminal() {
        for width in [20, 40, 80, 160] {
            for height in [8, 12, 24, 60] {
                let text = at(width, height, true);
                assert!(text.lines().all(|line| columns(line) < width), "{width}: {text}");
                assert!(text.lines().count() < height, "{height}: {text}");
            }
        }
    }
}
