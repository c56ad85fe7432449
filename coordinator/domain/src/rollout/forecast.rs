//! How a plan would go: the same rules on a copy of the state, with a clock that jumps from one event to
//! the next. Gateways take as long as they took before; people approve and gates allow at once; whoever is
//! away stays away. It tells when, not whether: nothing fails in it.

use std::{cmp::Reverse, collections::BinaryHeap};

use millwright_model::{
    generation::Generation,
    id::{GatewayName, Member, RequestId, RolloutId},
    report::{Phase, Report},
    time::{Span, Timestamp},
    window::Calendar,
};

use super::{away_since, forward::soaks_until, gate::open_questions};
use crate::{
    State,
    command::{
        Body, Command, GateAnswered, LogContext, Outcome, RolloutAction, StartRollout, Step,
    },
    state::{AttemptResult, GateAsked, MemberState, Rollout, RolloutPhase},
    why,
};

/// How long a gateway takes that nobody has seen at work.
const UNKNOWN: Span = Span(60_000);
/// Events that are followed: many times what ten thousand gateways need.
const STEPS_MAX: usize = 200_000;

/// How a plan would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Whether every stage is done before the deadline.
    pub completes: bool,
    /// When it has ended, or the last thing that happened in it.
    pub ends_at: Timestamp,
    /// Gateways that get the files, in the order in which they begin.
    pub members: Vec<ForecastMember>,
    /// The gateways that decide how long it takes, the first one first.
    pub critical: Vec<GatewayName>,
    /// Gateways that do not get them before the deadline, each with what it waits for then.
    pub left: Vec<(GatewayName, String)>,
}

/// When a gateway would be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastMember {
    /// Which.
    pub gateway: GatewayName,
    /// When it begins.
    pub begins_at: Timestamp,
    /// When it is done.
    pub ends_at: Timestamp,
}

/// Plays a plan from a moment until it ends or the deadline is over. The error says why it could not begin.
pub fn forecast(
    state: &State,
    start: StartRollout,
    now: Timestamp,
    deadline: Span,
) -> Result<Forecast, String> {
    let mut play = Play::begin(state, start, now)?;
    let end = now.plus(deadline);
    for _ in 0..STEPS_MAX {
        if play.act() {
            continue;
        }
        match play.next() {
            Some(at) if at <= end => play.jump(at),
            Some(_) | None => break,
        }
    }
    Ok(play.told(end))
}

struct Play {
    state: State,
    began: Timestamp,
    now: Timestamp,
    index: u64,
    id: RolloutId,
    usual: Span,
    at_work: BinaryHeap<Reverse<(Timestamp, GatewayName)>>,
    members: Vec<ForecastMember>,
}

impl Play {
    fn begin(state: &State, mut start: StartRollout, now: Timestamp) -> Result<Self, String> {
        let mut state = state.clone();
        // No agent can be asked in a forecast; a dry run takes seconds.
        start.policy.dry_run = false;
        // The plan may be under way already: what is left of it is no forecast of the whole.
        std::sync::Arc::make_mut(&mut state.newest).remove(&start.fleet);
        let fleet = start.fleet.clone();
        let manual = start.manual;
        let all = start.members.iter().filter_map(|member| usual(&state, &member.gateway));
        let usual = median(all.collect()).unwrap_or(UNKNOWN);
        let id: RolloutId = "forecast".parse().map_err(|_| "no id".to_owned())?;
        let (at_work, members) = (BinaryHeap::new(), Vec::new());
        let began = now;
        let mut play = Self { state, began, now, index: u64::MAX / 2, id, usual, at_work, members };
        if let Outcome::Rejected(rejection) = play.apply(Body::StartRollout(start)) {
            return Err(rejection.message().to_owned());
        }
        play.id = play.state.newest.get(&fleet).cloned().ok_or("it did not begin")?;
        if manual {
            play.says(RolloutAction::Start { plan_hash: None });
        }
        Ok(play)
    }

    fn apply(&mut self, body: Body) -> Outcome {
        self.index += 1;
        let mut id = [0xff; 16];
        id[..8].copy_from_slice(&self.index.to_be_bytes());
        let command = Command {
            request_id: RequestId(id),
            at: self.now,
            epoch: self.state.epoch,
            actor: "operator/forecast".to_owned(),
            from: String::new(),
            reason: String::new(),
            body,
        };
        self.state.apply(LogContext { index: self.index }, command).0
    }

    fn says(&mut self, action: RolloutAction) {
        self.apply(Body::ActOnRollout { rollout: self.id.clone(), action });
    }

    fn rollout(&self) -> Option<&Rollout> {
        self.state.rollouts.get(&self.id).map(AsRef::as_ref)
    }

    /// What is decided and answered at this moment; whether anything was.
    fn act(&mut self) -> bool {
        let mut bodies = super::decide(&self.state, self.now);
        bodies.retain(|body| matches!(body, Body::AdvanceRollout(one) if one.rollout == self.id));
        bodies.extend(self.allowed());
        let approves = self.asked_stage();
        let acts = !bodies.is_empty() || approves.is_some();
        for body in bodies {
            let told = assigned(&body);
            if matches!(self.apply(body), Outcome::Accepted(_)) {
                for gateway in told {
                    self.take_up(gateway);
                }
            }
        }
        if let Some(stage) = approves {
            self.says(RolloutAction::Approve { stage });
        }
        acts
    }

    fn allowed(&self) -> Vec<Body> {
        let open = open_questions(&self.state).into_iter().filter(|one| one.rollout == self.id);
        open.map(|question| {
            Body::GateAnswered(GateAnswered {
                rollout: question.rollout,
                key: question.record.key.clone(),
                attempt: question.record.attempt,
                outcome: Ok(millwright_model::gate::GateAnswer::allow()),
                asked: GateAsked::default(),
            })
        })
        .collect()
    }

    fn asked_stage(&self) -> Option<String> {
        let rollout = self.rollout()?;
        let at = rollout.current()?;
        let progress = rollout.progress_of(at);
        let asks = rollout.stages[at].approval.required
            && progress.asked_at.is_some()
            && progress.approved.is_none();
        asks.then(|| rollout.stages[at].name.clone())
    }

    /// Who was told just now is at work for as long as usual.
    fn take_up(&mut self, gateway: GatewayName) {
        let takes = usual(&self.state, &gateway).unwrap_or(self.usual);
        let ends_at = self.now.plus(takes);
        self.at_work.push(Reverse((ends_at, gateway.clone())));
        self.members.push(ForecastMember { gateway, begins_at: self.now, ends_at });
    }

    /// The next moment at which something may be decided.
    fn next(&self) -> Option<Timestamp> {
        let rollout = self.rollout().filter(|one| one.phase == RolloutPhase::Running)?;
        let done = self.at_work.peek().map(|Reverse((at, _))| *at);
        let at = rollout.current()?;
        let soaked = soaks_until(rollout, at, self.now);
        let windows = self.state.windows_of(&rollout.fleet).unwrap_or_default();
        let window = Calendar::at(windows, self.now).next_change();
        let waiting = rollout.members.iter().filter(|(_, member)| {
            member.stage as usize == at && member.state == MemberState::Pending
        });
        let after = rollout.policy.offline.after;
        let given_up =
            waiting.filter_map(|(name, _)| Some(away_since(&self.state, name)?.plus(after))).min();
        [done, soaked, window, given_up].into_iter().flatten().filter(|at| *at > self.now).min()
    }

    fn jump(&mut self, at: Timestamp) {
        self.now = at;
        let mut reports = Vec::new();
        while let Some(Reverse((ends_at, _))) = self.at_work.peek() {
            if *ends_at > at {
                break;
            }
            let Some(Reverse((_, gateway))) = self.at_work.pop() else { break };
            reports.extend(self.done(&gateway));
        }
        if !reports.is_empty() {
            self.apply(Body::RecordReports { reports });
        }
    }

    /// What an agent tells when all went well.
    fn done(&self, gateway: &GatewayName) -> Option<Report> {
        let desired = self.state.desired.get(gateway)?;
        let is_pair = self
            .state
            .status
            .get(gateway)
            .is_some_and(|status| status.connections.contains_key(Member::Master.as_str()));
        Some(Report {
            gateway: gateway.clone(),
            member: if is_pair { Member::Master } else { Member::Single },
            generation: desired.generation,
            epoch: self.state.epoch,
            attempt: desired.attempt,
            repair: 0,
            phase: Phase::Applied { manifest: desired.manifest },
            trigger: String::new(),
            commit: Some(desired.render.commit),
            files_added: 0,
            files_changed: 0,
            files_deleted: 0,
            projects: Vec::new(),
            snapshot: String::new(),
            notices: Vec::new(),
            sessions: Vec::new(),
            bytes_fetched: 0,
            duration_ms: 0,
            finished_at: self.now,
        })
    }

    fn told(self, end: Timestamp) -> Forecast {
        let last = self.members.iter().max_by_key(|member| member.ends_at);
        let critical = last.map(|last| critical(&self.members, last)).unwrap_or_default();
        let rollout = self.rollout();
        let completes = rollout.is_some_and(|one| one.phase == RolloutPhase::Completed);
        let done = |state: &MemberState| {
            matches!(state, MemberState::Applied { .. } | MemberState::Skipped { .. })
        };
        let members = rollout.map(|rollout| rollout.members.iter()).into_iter().flatten();
        let left = members.filter(|(_, member)| !done(&member.state)).map(|(gateway, _)| {
            let first = why::gateway(&self.state, gateway, self.now).into_iter().next();
            let why = first.map_or_else(|| format!("not before {end}"), |blocker| blocker.message);
            (gateway.clone(), why)
        });
        let left = left.collect();
        let ends_at = match completes {
            true => self.now,
            false => last.map_or(self.began, |last| last.ends_at),
        };
        Forecast { completes, ends_at, members: self.members, critical, left }
    }
}

/// Whom a decision tells to begin.
fn assigned(body: &Body) -> Vec<GatewayName> {
    let Body::AdvanceRollout(advance) = body else { return Vec::new() };
    let told = |step: &Step| {
        let Step::Assign { gateway } = step else { return None };
        Some(gateway.clone())
    };
    advance.steps.iter().filter_map(told).collect()
}

/// Who made whom wait: back from the last one, each time to the one that ended last before it began.
fn critical(members: &[ForecastMember], last: &ForecastMember) -> Vec<GatewayName> {
    let mut way = vec![last];
    let mut first = last;
    while let Some(before) = members
        .iter()
        .filter(|one| one.ends_at <= first.begins_at && one.begins_at < first.begins_at)
        .max_by_key(|one| one.ends_at)
    {
        way.push(before);
        first = before;
    }
    way.into_iter().rev().map(|member| member.gateway.clone()).collect()
}

/// How long a gateway has taken for changes so far.
fn usual(state: &State, gateway: &GatewayName) -> Option<Span> {
    let history = &state.status.get(gateway)?.history;
    let applied = history.iter().filter(|one| {
        one.result == AttemptResult::Applied && one.repair == 0 && one.generation > Generation(0)
    });
    median(applied.map(|one| Span(one.duration_ms.max(1))).collect())
}

fn median(mut all: Vec<Span>) -> Option<Span> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
