//! Evaluations in one line for people.

use std::fmt;

use super::{Evaluation, Reason, Seen, State};

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.window)?;
        match self.state {
            State::Open { until: Some(until), .. } => write!(f, " (until {until})"),
            State::Open { until: None, .. } => f.write_str(" (always open)"),
            State::Closed { opens: Some(opens) } => write!(f, " (opens {opens})"),
            State::Closed { opens: None } => f.write_str(" (does not open)"),
            State::Unreadable => f.write_str(" (cannot be read by this version)"),
        }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::NoWindow => "no window applies",
            Reason::DenyOpen => "denied by ",
            Reason::AllowOpen => "allowed by ",
            Reason::AllowClosed => "outside of ",
            Reason::DenyClosed => "not denied at present by ",
        })?;
        for (at, seen) in self.windows.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{seen}")?;
        }
        Ok(())
    }
}
