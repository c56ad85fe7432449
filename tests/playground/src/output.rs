//! Progress for people, on standard error: standard output is for the summary.

use std::{io::Write, time::Instant};

/// One line with the time since the beginning.
pub fn say(began: Instant, text: &str) {
    let _gone = writeln!(std::io::stderr(), "{:7.1} s  {text}", began.elapsed().as_secs_f64());
}

/// One line on standard output.
pub fn print(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}
