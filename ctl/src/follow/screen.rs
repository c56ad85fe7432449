//! Where the following shows: a picture on a terminal, lines elsewhere, values for programs.

use serde_json::Value;

use super::Board;
use crate::{
    error::Result,
    output::{
        self, Output,
        style::{Tone, tone_of},
        terminal::{self, Live},
    },
    view::{
        progress::{Frame, picture, took},
        text,
    },
};

/// How it is shown.
#[derive(Debug)]
enum Way {
    /// Redrawn in place.
    Live(Live),
    /// A line per transition on standard output.
    Lines,
    /// A line per transition on standard error: standard output is for a result.
    Notes,
    /// Values for a program.
    Values(Output),
}

/// Shows what happens.
#[derive(Debug)]
pub struct Screen {
    way: Way,
}

impl Screen {
    /// For a command whose output is what happens.
    pub fn watching(format: &Output) -> Self {
        let way = match (format.is_machine(), terminal::is_terminal()) {
            (true, _) => Way::Values(format.clone()),
            (false, true) => Way::Live(Live::default()),
            (false, false) => Way::Lines,
        };
        Self { way }
    }

    /// For a command that has a result of its own.
    pub fn beside(format: &Output) -> Self {
        let way = match (format.is_machine(), terminal::is_terminal()) {
            (false, true) => Way::Live(Live::default()),
            (true, _) | (false, false) => Way::Notes,
        };
        Self { way }
    }

    /// Says what happened at a moment.
    pub fn tell(&mut self, lines: &[String], clock: &str, value: &Value, index: u64) -> Result<()> {
        match &self.way {
            Way::Live(_) => {}
            Way::Lines => lines.iter().for_each(|line| output::print(&format!("{clock} {line}\n"))),
            Way::Notes => lines.iter().for_each(|line| output::note(&format!("{clock} {line}"))),
            Way::Values(format) => output::stream(format, value, index)?,
        }
        Ok(())
    }

    /// Draws the picture, where there is one.
    pub fn draw(&mut self, board: &Board) {
        let Way::Live(live) = &mut self.way else { return };
        let style = output::style();
        let width = terminal::width().unwrap_or(80);
        let shown = board.shown();
        let height = terminal::height().saturating_sub(2) / shown.len().max(1);
        let now_ms = output::now_ms();
        let mut text: String = shown
            .iter()
            .map(|value| picture(value, Frame { width, height, now_ms, style }))
            .collect();
        if shown.is_empty() || board.waits_for_cause() {
            text.push_str("waiting for a rollout to begin\n");
        }
        if board.verdict().is_none() {
            let hint = terminal::shorten("Ctrl-C stops watching, not the rollout", width - 1);
            text.push_str(&format!("{}\n", style.paint(Tone::Dim, &hint)));
        }
        live.draw(&text);
    }

    /// Says how it ended well, on a terminal: elsewhere the last line has said it, and what ended
    /// badly is said by the error.
    pub fn finish(&mut self, board: &Board) {
        self.draw(board);
        let well = board.verdict().is_some_and(|verdict| verdict.is_ok());
        if !well || !matches!(self.way, Way::Live(_)) {
            return;
        }
        for value in board.shown() {
            let state = text(value, "/status/state");
            output::print(&format!(
                "{} {} after {}: {}\n",
                text(value, "/metadata/name"),
                output::style().paint(tone_of(&state), &state.to_lowercase()),
                took(value, output::now_ms()),
                text(value, "/status/message"),
            ));
        }
    }

    /// Leaves the picture as it is.
    pub fn leave(&self) {
        if matches!(self.way, Way::Live(_)) {
            output::complain("");
        }
    }
}
