//! Waits for something to become true of one gateway, by the watch stream. What happens meanwhile is
//! told on standard error, a line per change. Ctrl-C and a time limit end the waiting, never what is
//! waited for.

use std::{pin::pin, time::Duration};

use millwright_model::time::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    client::{
        Client,
        watch::{Change, Watch},
    },
    error::{Error, Kind, Result},
    output::{self, style::tone_of},
    view::{maybe, text},
};

/// Which changes of state are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// All.
    Every,
    /// Only those that keep an agent from answering.
    Hindrances,
}

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Wait<'a> {
    /// Name of the gateway.
    pub gateway: &'a str,
    /// What goes on when the waiting stops, for example `the sync of line1`.
    pub what: &'a str,
    /// Log index of the change that caused it: what is older says nothing.
    pub since: u64,
    /// Stop waiting after this; zero looks once.
    pub timeout: Duration,
    /// Which changes of state are told.
    pub tell: Tell,
}

/// Why the inner loop ended.
enum Turn {
    Change(Change),
    Stopped(&'static str),
}

/// Tells what changed since the last look.
#[derive(Debug, Default)]
struct Progress {
    last: Option<String>,
}

impl Progress {
    fn tell(&mut self, wait: &Wait<'_>, value: &Value) {
        let state = text(value, "/status/state");
        let told = match wait.tell {
            Tell::Every => true,
            Tell::Hindrances => state == "Offline",
        };
        let message = maybe(value, "/status/message");
        let colon = if message.is_empty() { "" } else { ": " };
        let line = format!("{state}{colon}{message}");
        if told && self.last.as_ref() != Some(&line) {
            let moment = Timestamp(output::now_ms()).to_string();
            let clock = moment.get(11..).unwrap_or_default();
            let word = output::style().paint(tone_of(&state), &state);
            output::note(&format!("{clock} {} {word}{colon}{message}", wait.gateway));
        }
        self.last = Some(line);
    }
}

/// Waits until `look` finds what is waited for in the gateway's resource.
pub async fn until<T>(
    client: &mut Client,
    wait: Wait<'_>,
    mut look: impl FnMut(&Value) -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + wait.timeout;
    let mut progress = Progress::default();
    let (mut value, mut index) = read(client, wait.gateway).await?;
    let mut watch = Watch::new("Gateway", wait.gateway, index);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        // A stale read may be older than the change.
        if index >= wait.since {
            progress.tell(&wait, &value);
            if let Some(found) = look(&value) {
                return Ok(found);
            }
        }
        let turn = tokio::select! {
            change = watch.next(client) => Turn::Change(change?),
            _ = &mut interrupt => Turn::Stopped("stopped watching"),
            () = tokio::time::sleep_until(deadline) => Turn::Stopped("stopped waiting"),
        };
        match turn {
            Turn::Change(Change::Event(event)) => {
                index = event.index;
                value = serde_json::from_slice(&event.json).map_err(|_| gone(wait.gateway))?;
            }
            Turn::Change(Change::Gap) => {
                (value, index) = read(client, wait.gateway).await?;
                watch.resume(index);
            }
            Turn::Stopped(why) => return Err(stopped(&wait, why, &value)),
        }
    }
}

/// The gateway, and the index of the read.
pub async fn read(client: &mut Client, gateway: &str) -> Result<(Value, u64)> {
    let listing = client.get("Gateway", gateway, "").await?;
    let index = listing.index;
    let value = listing.values.into_iter().next().ok_or_else(|| gone(gateway))?;
    Ok((value, index))
}

/// An event without content tells of a deletion.
fn gone(gateway: &str) -> Error {
    Error::new(Kind::NotFound, format!("gateway {gateway} does not exist any more"))
}

fn stopped(wait: &Wait<'_>, why: &str, value: &Value) -> Error {
    let (state, message) = (text(value, "/status/state"), maybe(value, "/status/message"));
    let colon = if message.is_empty() { "" } else { ": " };
    let (gateway, what) = (wait.gateway, wait.what);
    let message = format!("{why}; {what} goes on ({gateway} is {state}{colon}{message})");
    Error::new(Kind::TimedOut, message)
        .hint(format!("millctl describe gateway {gateway} shows how it ends"))
}
