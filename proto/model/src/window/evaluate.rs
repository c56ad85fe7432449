//! From the states of windows to what may be done on one gateway.

use super::{Kind, Window, schedule::Schedule};
use crate::{id::Name, resource::Strings, time::Timestamp};

/// A window at one moment. Moments are those of the whole open time when spans touch or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Open.
    Open {
        /// From here on; nothing if it has been open for more than eight years.
        since: Option<Timestamp>,
        /// Up to here, where it is closed; nothing if it stays open for more than eight years.
        until: Option<Timestamp>,
    },
    /// Closed.
    Closed {
        /// When it opens; nothing if that is more than eight years away.
        opens: Option<Timestamp>,
    },
    /// It is invalid: the program that checked it knows zones that this one does not. It keeps work
    /// back: as a deny it counts as open, as an allow as closed.
    Unreadable,
}

impl State {
    /// When it is no longer so.
    pub fn changes(self) -> Option<Timestamp> {
        match self {
            Self::Open { until, .. } => until,
            Self::Closed { opens } => opens,
            Self::Unreadable => None,
        }
    }
}

/// A window that decided, as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub window: Name,
    /// What it does while it is open.
    pub kind: Kind,
    /// Whether it was.
    pub state: State,
}

/// Who begins work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The coordinator, because it is due.
    Automatic,
    /// A person, by hand.
    ByHand,
}

/// Which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No window selects the gateway: allowed.
    NoWindow,
    /// Deny windows are open: denied.
    DenyOpen,
    /// Allow windows are open and no deny window is: allowed.
    AllowOpen,
    /// There are allow windows, and all are closed: denied.
    AllowClosed,
    /// There are deny windows only, and all are closed: allowed.
    DenyClosed,
}

/// What may be done on one gateway at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether automatic work may begin.
    pub automatic: bool,
    /// Whether work may begin by hand.
    pub by_hand: bool,
    /// Whether work may go on that was allowed when it began; see [`Evaluation::may_go_on`].
    pub overrun: bool,
    /// Why.
    pub reason: Reason,
    /// The windows that the reason speaks of, in the order they were given.
    pub windows: Vec<Seen>,
    /// Until then every evaluation of the same windows and labels equals this one. Nothing if no
    /// change was found in the next eight years.
    pub next_change: Option<Timestamp>,
}

impl Evaluation {
    /// Whether work may begin.
    pub fn may_begin(&self, origin: Origin) -> bool {
        match origin {
            Origin::Automatic => self.automatic,
            Origin::ByHand => self.by_hand,
        }
    }

    /// Whether work may go on: it may begin now, or it was allowed when it began and may overrun.
    pub fn may_go_on(&self, origin: Origin, allowed_when_it_began: bool) -> bool {
        self.may_begin(origin) || (self.overrun && allowed_when_it_began)
    }
}

/// Windows at one moment: which are open. Made once per moment, asked once per gateway.
#[derive(Debug, Clone)]
pub struct Calendar<'w> {
    windows: Vec<(&'w Window, State)>,
}

impl<'w> Calendar<'w> {
    /// These windows at this moment.
    pub fn at(windows: impl IntoIterator<Item = &'w Window>, now: Timestamp) -> Self {
        let state = |window| Schedule::of(window).map_or(State::Unreadable, |s| s.state(now));
        Self { windows: windows.into_iter().map(|window| (window, state(window))).collect() }
    }

    /// All windows, in the order they were given.
    pub fn states(&self) -> impl Iterator<Item = (&'w Window, State)> {
        self.windows.iter().copied()
    }

    /// When the first of them opens or closes.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.windows.iter().filter_map(|(_, state)| state.changes()).min()
    }

    /// What may be done on a gateway with these labels.
    pub fn evaluate(&self, labels: &Strings) -> Evaluation {
        let selected: Vec<_> =
            self.windows.iter().filter(|(window, _)| window.select.matches(labels)).collect();
        let of = |kind: Kind, open: bool| -> Vec<_> {
            let wanted = |(window, state): &&&(&Window, State)| {
                window.kind == kind && counts_as_open(kind, *state) == open
            };
            selected.iter().filter(wanted).collect()
        };
        // In the order of the rules; the first that has windows decides.
        let rules = [
            (Reason::DenyOpen, Kind::Deny, true),
            (Reason::AllowOpen, Kind::Allow, true),
            (Reason::AllowClosed, Kind::Allow, false),
            (Reason::DenyClosed, Kind::Deny, false),
        ];
        let (reason, deciding) = rules
            .into_iter()
            .map(|(reason, kind, open)| (reason, of(kind, open)))
            .find(|(_, windows)| !windows.is_empty())
            .unwrap_or((Reason::NoWindow, Vec::new()));
        let automatic = reason.allows();
        let all = |flag: fn(&Window) -> bool| deciding.iter().all(|(window, _)| flag(window));
        Evaluation {
            automatic,
            by_hand: automatic || all(|window| window.manual),
            overrun: automatic || all(|window| window.overrun),
            reason,
            next_change: selected.iter().filter_map(|(_, state)| state.changes()).min(),
            windows: deciding.into_iter().map(|(window, state)| Seen::of(window, *state)).collect(),
        }
    }
}

/// What may be done on a gateway with these labels at this moment. For many gateways, make one
/// [`Calendar`].
pub fn evaluate(windows: &[Window], labels: &Strings, now: Timestamp) -> Evaluation {
    let selecting = windows.iter().filter(|window| window.select.matches(labels));
    Calendar::at(selecting, now).evaluate(labels)
}

fn counts_as_open(kind: Kind, state: State) -> bool {
    match (state, kind) {
        (State::Open { .. }, Kind::Allow | Kind::Deny) => true,
        (State::Closed { .. }, Kind::Allow | Kind::Deny) => false,
        (State::Unreadable, Kind::Deny) => true,
        (State::Unreadable, Kind::Allow) => false,
    }
}

impl Reason {
    /// Whether work may begin for this reason.
    pub fn allows(self) -> bool {
        match self {
            Self::NoWindow | Self::AllowOpen | Self::DenyClosed => true,
            Self::DenyOpen | Self::AllowClosed => false,
        }
    }
}

impl Seen {
    fn of(window: &Window, state: State) -> Self {
        Self { window: window.name.clone(), kind: window.kind, state }
    }
}
