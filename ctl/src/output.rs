//! The one place that prints. Data goes to standard output, everything else to standard error, so
//! that a pipe sees data alone. It formats; it does not know what a resource means.

pub mod format;
pub mod jsonpath;
pub mod style;
pub mod table;
pub mod terminal;
pub mod yaml;

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::error::Error;
pub use format::Output;
pub use style::Style;

/// Version of the envelope around JSON; fields are only added while it stays the same.
pub const SCHEMA: u32 = 1;

/// How this process prints: decided once, from flags and environment.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    quiet: bool,
    style: Style,
}

static MANNER: OnceLock<Manner> = OnceLock::new();

/// Decides how this process prints. The first call counts.
pub fn set_up(quiet: bool, no_color: bool) {
    let style = Style::detect(no_color);
    let _earlier = MANNER.set(Manner { quiet, style });
}

/// Colours and signs for standard output.
pub fn style() -> Style {
    MANNER.get().copied().unwrap_or_default().style
}

/// Prints data. A reader that went away is no error.
pub fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// Prints the bytes of a file as they are.
pub fn print_bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(bytes).and_then(|()| out.flush());
}

/// Prints a note for the person; `--quiet` leaves it out.
pub fn note(text: &str) {
    if !MANNER.get().copied().unwrap_or_default().quiet {
        complain(text);
    }
}

/// Prints to standard error, `--quiet` or not.
pub fn complain(text: &str) {
    let _gone = writeln!(io::stderr(), "{text}");
}

/// Prints an error and its hint: as an envelope when a program reads the output.
pub fn error(error: &Error, output: &Output) {
    let value = json!({"ok": false, "schema": SCHEMA, "error": {
        "code": error.kind.code(), "message": error.message, "hint": error.hint,
        "retryable": error.kind.is_retryable(), "exitCode": error.kind.exit_code(),
    }});
    match output {
        Output::Json | Output::Sarif => complain(&value.to_string()),
        Output::Yaml => complain(yaml::document(&value).trim_end()),
        Output::Table | Output::Wide | Output::Name | Output::JsonPath(_) => {
            complain(&format!("error: {}", error.message));
            if let Some(hint) = &error.hint {
                complain(&format!("hint:  {}", hint.replace('\n', "\n       ")));
            }
        }
    }
}

/// Prints `data` in the format asked for; a table is made only when one is wanted.
pub fn show(
    output: &Output,
    data: &Value,
    index: Option<u64>,
    table: impl FnOnce(bool) -> String,
) -> crate::error::Result<()> {
    let text = match output {
        Output::Table => table(false),
        Output::Wide => table(true),
        // The one command that knows it gives a whole log.
        Output::Sarif => format!("{}\n", serde_json::to_string_pretty(data).unwrap_or_default()),
        Output::Json => format::envelope(data, index),
        Output::Yaml => yaml::documents(data),
        Output::Name => format::names(data),
        Output::JsonPath(path) => jsonpath::evaluate(path, data)?,
    };
    print(&text);
    Ok(())
}

/// Prints one value of a stream for a program: JSON on one line, YAML as one document. Nothing for
/// tables, which the caller draws.
pub fn stream(output: &Output, data: &Value, index: u64) -> crate::error::Result<()> {
    let text = match output {
        Output::Table | Output::Wide | Output::Sarif => return Ok(()),
        Output::Json => {
            format!("{}\n", json!({"ok": true, "schema": SCHEMA, "index": index, "data": data}))
        }
        Output::Yaml => format!("---\n{}", yaml::document(data)),
        Output::Name => format::names(data),
        Output::JsonPath(path) => jsonpath::evaluate(path, data)?,
    };
    print(&text);
    Ok(())
}

/// How long ago, in the coarsest unit that says something.
pub fn age(then_ms: u64, now_ms: u64) -> String {
    span(now_ms.saturating_sub(then_ms))
}

/// A length of time, in the coarsest unit that says something.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Now in milliseconds since 1970, for ages.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        assert_eq!(age(0, 90_000), "90s");
        assert_eq!(age(0, 3 * 3_600_000), "3h");
        assert_eq!(age(5, 0), "0s");
    }
}
