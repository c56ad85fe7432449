//! Windows: when gateways may be changed. The one evaluator of coordinator, agent and `millctl`.
//!
//! ```text
//!   [Window] ── Calendar::at(now) ──▶ Calendar ── evaluate(labels) ──▶ Evaluation
//!   as written    which are open       once per      select, then        what may begin, what may
//!                 cron, zone, clock    moment        the five rules      go on, why, next change
//! ```
//!
//! A window is either closed or open; what that means for one gateway depends on the windows that
//! select it, in this order:
//!
//! 1. None selects it: work is allowed.
//! 2. A deny window is open: work is denied, whatever allow windows say. A person passes if all open
//!    deny windows are `manual`; what runs goes on if all of them have `overrun`.
//! 3. An allow window is open: work is allowed.
//! 4. There are allow windows, all closed: work is denied. A person passes if all of them are
//!    `manual`; what runs goes on if all of them have `overrun`.
//! 5. There are only closed deny windows: work is allowed.
//!
//! Nothing here stops, starts or remembers anything, and the present is an input. To abort is allowed
//! at every time, so it is not asked about.

mod cron;
mod evaluate;
mod schedule;
mod text;
mod zone;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::schedule::Schedule;
pub use self::{
    cron::InvalidSchedule,
    evaluate::{Calendar, Evaluation, Origin, Reason, Seen, State, evaluate},
    zone::UnknownZone,
};
use crate::{id::Name, selector::Selector, time::Span};

/// Longest duration: a month. A longer freeze is several windows, or a pause.
pub const DURATION_MAX: Span = Span(31 * 86_400_000);

/// A time at which gateways may be changed, or may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Window {
    /// Unique in the fleet.
    pub name: Name,
    /// What the window does while it is open.
    pub kind: Kind,
    /// When it opens, by the clock on the wall, as five cron fields: minute, hour, day of the month,
    /// month, day of the week. `0 22 * * mon-fri` is 22:00 on working days. A time that the clock
    /// skips is when the clock jumps; one that it shows twice is the first.
    #[schemars(length(min = 9, max = 256))]
    pub schedule: String,
    /// For how long, by the clock on the wall: 8 hours from 22:00 always end at 6:00, also in the
    /// night in which the clock changes. At most `31d`.
    pub duration: Span,
    /// Where the clock hangs: a name of the IANA database such as `Europe/Berlin`. Default `UTC`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Which gateways, by label. Default all.
    #[serde(default)]
    pub select: Selector,
    /// Whether what runs may end in its own time when it is no longer allowed to begin. If not, it
    /// is reverted, unless it is past the point of no return. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrun: bool,
    /// Whether a person may still begin work by hand while this window keeps automatic work back.
    /// Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What a window does while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Work may be done in it, and outside of all such windows it may not.
    Allow,
    /// No work may be done in it.
    Deny,
}

/// A window that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// No cron text.
    #[error(transparent)]
    Schedule(#[from] InvalidSchedule),
    /// Good cron text of a day that no calendar has.
    #[error("schedule {0:?}: there is no such day in any year")]
    Never(String),
    /// Not in the database.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    /// Nothing or too long.
    #[error("the duration {0} is not more than 0 and at most {DURATION_MAX}")]
    Duration(Span),
}

impl InvalidWindow {
    /// The field that is wrong, as it is written.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Schedule(_) | Self::Never(_) => "schedule",
            Self::Zone(_) => "timeZone",
            Self::Duration(_) => "duration",
        }
    }
}

impl Window {
    /// Whether it can be used: what the types of its fields do not say.
    pub fn check(&self) -> Result<(), InvalidWindow> {
        if Schedule::of(self)?.ever() {
            Ok(())
        } else {
            Err(InvalidWindow::Never(self.schedule.clone()))
        }
    }
}

#[cfg(test)]
mod tests;
