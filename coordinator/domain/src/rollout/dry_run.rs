//! Dry runs of a fleet that asks for them: before anything begins, every member's agent says what it would
//! change and what would stop it. Who is away is not waited for, nor who does not answer in time.

use millwright_model::{
    id::GatewayName,
    time::{Span, Timestamp},
};

use super::seen::is_connected;
use crate::{
    State,
    command::{Finish, Step},
    state::{MemberState, Rollout},
};

/// How long an agent may take: it may have to fetch every file first.
pub(crate) const PATIENCE: Span = Span(600_000);
/// Agents that are asked at a time.
const AT_ONCE: usize = 32;

/// Where the dry runs of a rollout stand.
#[derive(Debug, Default)]
pub(crate) struct DryRuns<'r> {
    /// Connected, and not asked yet.
    unasked: Vec<&'r GatewayName>,
    /// Asked, and not answered.
    pub(crate) asked: usize,
    /// With something that would stop them.
    faults: Vec<(&'r GatewayName, &'r str)>,
}

impl<'r> DryRuns<'r> {
    /// `None` when the rollout needs none, or none any more.
    pub(crate) fn of(state: &State, rollout: &'r Rollout, now: Timestamp) -> Option<Self> {
        let begun = rollout.progress.iter().any(|progress| progress.opened_at.is_some());
        if !rollout.policy.dry_run || begun {
            return None;
        }
        let mut all = Self::default();
        let waiting = rollout.members.iter();
        for (gateway, member) in waiting.filter(|(_, one)| one.state == MemberState::Pending) {
            let known = member.dry_run.as_ref().filter(|dry_run| !dry_run.void);
            match known.map(|dry_run| (dry_run, &dry_run.answer)) {
                None if is_connected(state, gateway) => all.unasked.push(gateway),
                None => {}
                Some((_, Some(answer))) if answer.ok => {}
                Some((_, Some(answer))) => all.faults.push((gateway, &answer.message)),
                Some((dry_run, None)) => {
                    let in_time = dry_run.asked_at.plus(PATIENCE) > now;
                    all.asked += usize::from(in_time && is_connected(state, gateway));
                }
            }
        }
        Some(all)
    }

    /// Members of whom nothing is known yet.
    pub(crate) fn open(&self) -> usize {
        self.unasked.len() + self.asked
    }

    /// Agents that are asked next.
    fn ask(&self) -> Vec<Step> {
        let room = AT_ONCE.saturating_sub(self.asked);
        let next = self.unasked.iter().take(room);
        next.map(|gateway| Step::DryRun { gateway: GatewayName::clone(gateway) }).collect()
    }

    fn fault(&self) -> Option<String> {
        let (gateway, message) = self.faults.first()?;
        let more = match self.faults.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        Some(format!("the dry run found what would stop gateway {gateway}{more}: {message}"))
    }
}

/// What is done before a running rollout begins; `None` when the way is free.
pub(super) fn before(state: &State, rollout: &Rollout, now: Timestamp) -> Option<Vec<Step>> {
    let all = DryRuns::of(state, rollout, now)?;
    if all.open() > 0 {
        return Some(all.ask());
    }
    let message = all.fault()?;
    Some(vec![Step::Finish { finish: Finish::Failed, message }])
}

/// For a plan that nobody has begun: people see what would change before they do.
pub(super) fn planned(state: &State, rollout: &Rollout, now: Timestamp) -> Vec<Step> {
    DryRuns::of(state, rollout, now).map(|all| all.ask()).unwrap_or_default()
}
