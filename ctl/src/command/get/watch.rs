//! `millctl get -w`: the list, then a row for every change.

use std::collections::BTreeMap;

use millwright_model::{
    resource::{Kind, Strings},
    selector::Selector,
};
use serde_json::Value;

use super::{Args, sort, wide};
use crate::{
    cli::Global,
    client::{
        Client, Listing,
        watch::{Change, Watch},
    },
    error::{self, Error, Result},
    output::{
        self,
        table::{Layout, layout},
        terminal,
    },
    view::{columns, text},
};

/// Rows of a table that grows: the widths are those of the first list.
struct Rows {
    kind: Kind,
    wide: bool,
    layout: Layout,
    last: BTreeMap<String, Vec<String>>,
}

impl Rows {
    fn new(kind: Kind, wide: bool, values: &[Value]) -> Self {
        let rows: Vec<_> = values.iter().map(|value| columns::row(kind, wide, value)).collect();
        let columns = columns::columns(kind, wide);
        let limit = if wide { None } else { terminal::width() };
        let layout = layout(&columns, &rows, limit);
        output::print(&layout.header(&columns, output::style()));
        Self { kind, wide, layout, last: BTreeMap::new() }
    }

    /// A change that no column shows prints nothing.
    fn put(&mut self, value: &Value) {
        let row = columns::row(self.kind, self.wide, value);
        let name = text(value, "/metadata/name");
        if self.last.get(&name) != Some(&row) {
            output::print(&self.layout.row(&row, output::style()));
            self.last.insert(name, row);
        }
    }

    fn delete(&mut self, name: &str) {
        if self.last.remove(name).is_some() {
            output::print(&format!("{name}   deleted\n"));
        }
    }
}

fn labels(value: &Value) -> Strings {
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    labels.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// Runs until Ctrl-C, which is no failure here: there is nothing to be done.
pub(super) async fn run(
    global: &Global,
    client: &mut Client,
    kind: Kind,
    args: Args,
    first: Listing,
) -> Result<()> {
    let follow = follow(global, client, kind, args, first);
    tokio::select! {
        ended = follow => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(
    global: &Global,
    client: &mut Client,
    kind: Kind,
    args: Args,
    first: Listing,
) -> Result<()> {
    let selector: Selector = args
        .selector
        .parse()
        .map_err(|error| Error::new(error::Kind::Usage, format!("{error}")))?;
    let name = args.name.unwrap_or_default();
    let mut rows = wide(&global.output).map(|wide| Rows::new(kind, wide, &first.values));
    tell_all(global, &mut rows, &first)?;
    client.note_index(first.index);
    let mut watch = Watch::new(kind.as_str(), &name, first.index);
    loop {
        match watch.next(client).await? {
            Change::Gap => {
                let mut listing = client.get(kind.as_str(), &name, &args.selector).await?;
                sort(kind, &mut listing.values);
                watch.resume(listing.index);
                tell_all(global, &mut rows, &listing)?;
            }
            Change::Event(event) => {
                let value = serde_json::from_slice::<Value>(&event.json).ok();
                match (value, &mut rows) {
                    (Some(value), _) if !selector.matches(&labels(&value)) => {}
                    (Some(value), Some(rows)) => rows.put(&value),
                    (Some(value), None) => output::stream(&global.output, &value, event.index)?,
                    (None, Some(rows)) => rows.delete(&event.name),
                    (None, None) => gone(global, kind, &event.name, event.index)?,
                }
            }
        }
    }
}

fn tell_all(global: &Global, rows: &mut Option<Rows>, listing: &Listing) -> Result<()> {
    for value in &listing.values {
        match rows {
            Some(rows) => rows.put(value),
            None => output::stream(&global.output, value, listing.index)?,
        }
    }
    Ok(())
}

/// For a program: what is no longer there.
fn gone(global: &Global, kind: Kind, name: &str, index: u64) -> Result<()> {
    let value = serde_json::json!({
        "kind": kind.as_str(), "metadata": {"name": name}, "deleted": true,
    });
    output::stream(&global.output, &value, index)
}
