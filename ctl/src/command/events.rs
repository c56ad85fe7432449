//! `millctl events`: what happens in the cluster, one line per change; what is kept of it, or as it
//! happens. Following goes on at another coordinator after the last event that was seen.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::Timestamp;
use millwright_proto::control::{WatchEvent, WatchRequest};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    client::{
        Client,
        watch::{Change, Watch},
    },
    command::{client, kind_of},
    complete,
    error::{self, Result},
    output::{
        self, Output,
        table::{Column, Layout, layout},
        terminal,
    },
    since::Since,
    view::one_line,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl events --since 10m
  millctl events -f                      from now on, until Ctrl-C
  millctl events -f --since 4711.2       after what was seen last
  millctl events --kind rollout --name plants-7
  millctl events -f -o json              one value per line")]
pub struct Args {
    /// Go on with every event until Ctrl-C; without --since from now on.
    #[arg(short, long)]
    pub follow: bool,
    /// After this index, or not older than this: 4711, 4711.2, 10m, 2026-10-12T14:34:14Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Only about this kind.
    #[arg(long, add = ArgValueCandidates::new(complete::kinds))]
    pub kind: Option<String>,
    /// Only about what has this name.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
}

const COLUMNS: [Column; 4] =
    [Column::new("TIME"), Column::new("INDEX"), Column::new("SUBJECT"), Column::prose("MESSAGE")];

/// What is asked for.
struct Wanted {
    kind: String,
    name: String,
    /// Log index, and how many of its events were seen.
    after: (u64, u32),
    since: Timestamp,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let kind = args.kind.as_deref().map(kind_of).transpose()?;
    let mut client = client(global)?;
    let mut wanted = Wanted {
        kind: kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        name: args.name,
        after: args.since.map(Since::index).unwrap_or_default(),
        since: args.since.map(|since| since.moment(output::now_ms())).unwrap_or_default(),
    };
    if !args.follow {
        return list(global, &mut client, &wanted).await;
    }
    if args.since.is_none() {
        client.control().await?;
        wanted.after = (client.applied(), 0);
    }
    tokio::select! {
        ended = follow(global, &mut client, &wanted) => ended,
        // It ends what has no end of its own: no failure.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// `4711.2`: the second event of log index 4711. `--since` takes it.
fn place((index, sub): (u64, u32)) -> String {
    if sub == 0 { index.to_string() } else { format!("{index}.{sub}") }
}

fn value(event: &WatchEvent) -> Value {
    json!({"index": event.index, "sub": event.sub, "at": event.at_ms, "kind": event.kind,
        "name": event.name, "action": event.action, "message": event.message})
}

fn row(event: &WatchEvent) -> Vec<String> {
    vec![
        Timestamp(event.at_ms).to_string(),
        place((event.index, event.sub)),
        one_line(&format!("{}/{}", event.kind.to_lowercase(), event.name)),
        one_line(&event.message),
    ]
}

/// What was not seen, and is no longer kept.
struct Gap {
    after: String,
    before: String,
}

impl Gap {
    fn line(&self) -> String {
        let Self { after, before } = self;
        format!("--- events after index {after} and before {before} are no longer kept ---\n")
    }

    fn value(&self) -> Value {
        json!({"gap": {"after": self.after, "before": self.before}})
    }
}

async fn list(global: &Global, client: &mut Client, wanted: &Wanted) -> Result<()> {
    let (gap, (events, index)) = match kept(client, wanted, wanted.after).await {
        // Too old: from the oldest on.
        Err(error) if error.kind == error::Kind::Usage && wanted.after.0 > 0 => {
            (true, kept(client, wanted, (0, 0)).await?)
        }
        read => (false, read?),
    };
    let before = events.first().map_or(place((index, 0)), |one| place((one.index, one.sub)));
    let gap = gap.then(|| Gap { after: place(wanted.after), before });
    let data: Vec<Value> = events.iter().map(value).collect();
    if let (Some(gap), None) = (&gap, wide(&global.output)) {
        output::note(gap.line().trim_end());
    }
    output::show(&global.output, &json!(data), Some(index), |wide| {
        let rows: Vec<_> = events.iter().map(row).collect();
        let layout = layout(&COLUMNS, &rows, if wide { None } else { terminal::width() });
        let mut text = gap.as_ref().map(Gap::line).unwrap_or_default();
        if rows.is_empty() {
            output::note("no events");
            return text;
        }
        text.push_str(&layout.header(&COLUMNS, output::style()));
        for row in &rows {
            text.push_str(&layout.row(row, output::style()));
        }
        text
    })?;
    client.note_index(index);
    Ok(())
}

/// The events that the cluster keeps after a place, and the index of the read.
async fn kept(
    client: &mut Client,
    wanted: &Wanted,
    (since, since_sub): (u64, u32),
) -> Result<(Vec<WatchEvent>, u64)> {
    let request = WatchRequest {
        kind: wanted.kind.clone(),
        name: wanted.name.clone(),
        since,
        since_sub,
        once: true,
        brief: true,
        stale: client.is_stale(),
    };
    let read = client.read(async |mut control| control.watch(request.clone()).await).await;
    let (mut stream, mut events, mut index) = (read?, Vec::new(), 0);
    while let Some(event) = stream.message().await? {
        index = index.max(event.index);
        if event.action != "bookmark" && event.at_ms >= wanted.since.0 {
            events.push(event);
        }
    }
    Ok((events, index))
}

/// Whether the format is a table.
fn wide(format: &Output) -> Option<bool> {
    match format {
        Output::Table => Some(false),
        Output::Wide => Some(true),
        Output::Json | Output::Yaml | Output::Name | Output::Sarif | Output::JsonPath(_) => None,
    }
}

/// Lines of a table that grows: how wide they are is decided before the first one.
struct Lines {
    layout: Option<Layout>,
}

impl Lines {
    fn new(global: &Global) -> Self {
        let usual = ["2026-10-12T14:34:14Z", "1000000.1", "gateway/a-usual-name", ""];
        let usual = usual.map(str::to_owned).to_vec();
        let layout = wide(&global.output).map(|wide| {
            let limit = if wide { None } else { terminal::width() };
            layout(&COLUMNS, &[usual], limit)
        });
        if let Some(layout) = &layout {
            output::print(&layout.header(&COLUMNS, output::style()));
        }
        Self { layout }
    }

    fn event(&self, global: &Global, event: &WatchEvent) -> Result<()> {
        match &self.layout {
            Some(layout) => {
                output::print(&layout.row(&row(event), output::style()));
                Ok(())
            }
            None => output::stream(&global.output, &value(event), event.index),
        }
    }

    fn gap(&self, global: &Global, gap: &Gap, index: u64) -> Result<()> {
        match &self.layout {
            Some(_) => {
                output::print(&gap.line());
                Ok(())
            }
            None => output::stream(&global.output, &gap.value(), index),
        }
    }
}

async fn follow(global: &Global, client: &mut Client, wanted: &Wanted) -> Result<()> {
    let lines = Lines::new(global);
    let mut seen = wanted.after;
    let mut is_gap = false;
    let mut watch = Watch::new(&wanted.kind, &wanted.name, seen.0).brief(seen.1);
    loop {
        match watch.next(client).await? {
            Change::Gap => {
                is_gap = true;
                watch.resume(0);
            }
            Change::Event(event) => {
                let here = (event.index, event.sub);
                if std::mem::take(&mut is_gap) {
                    let gap = Gap { after: place(seen), before: place(here) };
                    lines.gap(global, &gap, event.index)?;
                }
                seen = here;
                if event.at_ms >= wanted.since.0 {
                    lines.event(global, &event)?;
                }
            }
        }
    }
}
