//! Follows rollouts to their end by the watch stream: a live picture on a terminal, one line per
//! transition elsewhere. What is waited for of a single gateway is followed in [`gateway`]. Ctrl-C and a time limit end the following, never the rollout.

pub mod board;
pub mod gateway;
pub mod screen;

use std::{pin::pin, time::Duration};

use millwright_model::time::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    client::{
        Client,
        watch::{Change, Watch},
    },
    error::{Error, Kind, Result},
    output,
    view::{number, text},
};
pub use board::{Board, Target};
pub use screen::Screen;

/// Between two pictures while nothing happens: the clock in it goes on.
const REDRAW: Duration = Duration::from_millis(500);
/// A change that has caused no rollout after this much silence may cause none.
const SILENCE: Duration = Duration::from_secs(5);

/// Why the inner loop ended.
enum Turn {
    Change(Change),
    Silence,
    Interrupted,
    Late,
}

/// Follows the target to its end, for at most `timeout` (zero looks once).
pub async fn run(
    client: &mut Client,
    target: Target,
    timeout: Duration,
    mut screen: Screen,
) -> Result<Vec<Value>> {
    let deadline = Instant::now() + timeout;
    let mut board = Board::new(target);
    let listing = client.get("Rollout", "", "").await?;
    client.note_index(listing.index);
    take_all(&mut board, &mut screen, listing.values, listing.index)?;
    if let Target::One(id) = board.target()
        && board.is_empty()
    {
        // Asking by name yields the cluster's own answer, with the nearest name.
        client.get("Rollout", id, "").await?;
    }
    let mut watch = Watch::new(board.watched_kind(), "", listing.index);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut ticks = tokio::time::interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.draw(&board);
        if let Some(verdict) = board.verdict() {
            screen.finish(&board);
            return verdict.map(|()| board.into_rollouts());
        }
        let silence = board.waits_for_cause().then(|| Instant::now() + SILENCE);
        let turn = {
            let mut next = pin!(watch.next(client));
            loop {
                tokio::select! {
                    change = &mut next => break Turn::Change(change?),
                    _ = ticks.tick() => screen.draw(&board),
                    _ = &mut interrupt => break Turn::Interrupted,
                    () = tokio::time::sleep_until(deadline) => break Turn::Late,
                    () = at(silence) => break Turn::Silence,
                }
            }
        };
        match turn {
            Turn::Change(Change::Event(event)) if event.kind == "Rollout" => {
                // What is gone by now has no JSON any more.
                if let Ok(value) = serde_json::from_slice::<Value>(&event.json) {
                    take(&mut board, &mut screen, value, event.index, event.at_ms)?;
                }
            }
            Turn::Change(Change::Event(_)) => {}
            Turn::Change(Change::Gap) => {
                let listing = client.get("Rollout", "", "").await?;
                watch.resume(listing.index);
                take_all(&mut board, &mut screen, listing.values, listing.index)?;
            }
            Turn::Silence => board.settle(client).await?,
            Turn::Interrupted => return Err(detached(&board, &screen, "stopped watching")),
            Turn::Late => return Err(detached(&board, &screen, "stopped waiting")),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn take_all(
    board: &mut Board,
    screen: &mut Screen,
    mut values: Vec<Value>,
    index: u64,
) -> Result<()> {
    values.sort_by_key(|value| number(value, "/status/startedAt"));
    // Only the last one that counts is told of: the others are history.
    let newest = board.newest_of(&values);
    for value in values {
        let told = newest.is_none() || newest.as_deref() == Some(&text(&value, "/metadata/name"));
        if told {
            take(board, screen, value, index, output::now_ms())?;
        }
    }
    Ok(())
}

fn take(
    board: &mut Board,
    screen: &mut Screen,
    value: Value,
    index: u64,
    at_ms: u64,
) -> Result<()> {
    let Some(lines) = board.offer(value.clone()) else { return Ok(()) };
    let moment = Timestamp(at_ms).to_string();
    let clock = moment.get(11..).unwrap_or_default();
    screen.tell(&lines, clock, &value, index)
}

/// The rollout goes on; says how to come back to it.
fn detached(board: &Board, screen: &Screen, why: &str) -> Error {
    screen.leave();
    let again = match board.running() {
        Some(id) => format!("millctl rollout watch {id}"),
        None => format!("millctl rollout watch{}", board.target().flags()),
    };
    let message = match board.running() {
        Some(id) => format!("{why}; rollout {id} goes on: {}", board.line(&id)),
        None => format!("{why}; no rollout has begun"),
    };
    Error::new(Kind::TimedOut, message).hint(format!("{again} follows it again"))
}
