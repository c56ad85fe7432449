//! Fleet stories as texts: a line of a script says what happens, the lines below it say what the cluster
//! makes of it.
//!
//! ```text
//! > commit 2                  a ref means another commit
//! > ok g1                     the agent has applied what it was told; also failed, rolledback, inconsistent
//! > lose g1 / find g1         its agent goes, comes
//! > facts g1 FAULTED          what the gateway is
//! > wait 10m                  time passes
//! > rollout approve [args]    a person acts on the newest rollout of the fleet
//! > gateway retry g1          a person acts on a gateway
//! > gate qa allow            what a gate answers from now on; also deny, defer 30s, fail, hang
//! > hold 2 / lift 2           a person holds a commit, or lifts the hold
//! > why g1 / why              what a gateway, or the newest rollout, waits for
//! > forecast 8h               how a plan of the newest commit would go by then
//! > put ... end               resources
//! ```
//! After each line the leader does what it decides, until it decides nothing.

use std::fmt::Write;

use anyhow::{Context, bail, ensure};
use millwright_coordinator_domain::{
    command::{Body, GatewayAction, Outcome, RolloutAction},
    rollout::{forecast, plan_of},
    why,
};
use millwright_model::{
    digest::GitId,
    gate::{Decision, GateAnswer},
    id::{GatewayName, RolloutId},
    time::Span,
};

use crate::world::{End, World, plan};

/// The fleet that scripts are about.
const FLEET: &str = "all";
/// The repository that it follows.
const REPOSITORY: &str = "plant";

/// Plays a script; returns it with what the cluster really made of it.
pub fn play(script: &str, two_leaders: bool) -> anyhow::Result<String> {
    let world = World::led_by_two(two_leaders);
    let told = world.index();
    let mut player = Player { world, told, heard: 0 };
    let mut out = String::new();
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(deed) = line.strip_prefix("> ") else {
            // Remarks and blank lines stay; what was expected is made anew.
            if line.is_empty() || line.starts_with('#') {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(line);
        out.push('\n');
        let mut text = String::new();
        if deed == "put" {
            for line in lines.by_ref() {
                out.push_str(line);
                out.push('\n');
                if line == "> end" {
                    break;
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        let said = player.deed(deed, &text).with_context(|| format!("> {deed}"))?;
        player.world.lead();
        let heard = player.heard();
        for line in player.news().chain(heard).chain(said.lines().map(str::to_owned)) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(out)
}

struct Player {
    world: World,
    told: u64,
    heard: usize,
}

impl Player {
    /// What was told to watchers since the last time.
    fn news(&mut self) -> impl Iterator<Item = String> + use<> {
        let since = std::mem::replace(&mut self.told, self.world.index());
        let events = self.world.state.events();
        let new = events.iter().filter(|event| event.index > since);
        let line = |kind: &str, name: &str, message: &str| match kind {
            "Gateway" => format!("{name}: {message}"),
            "Rollout" => format!("[{name}] {message}"),
            other => format!("{} {name}: {message}", other.to_lowercase()),
        };
        let lines: Vec<String> =
            new.map(|event| line(&event.kind, &event.name, &event.message)).collect();
        lines.into_iter()
    }

    /// What gates were asked since the last time.
    fn heard(&mut self) -> Vec<String> {
        let all = &self.world.heard;
        let since = std::mem::replace(&mut self.heard, all.len());
        all[since..].to_vec()
    }

    fn newest(&self) -> anyhow::Result<RolloutId> {
        let all = self.world.state.rollouts();
        let number = |id: &RolloutId| {
            id.as_str().rsplit('-').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
        };
        let newest =
            all.keys().filter(|id| id.as_str().starts_with(FLEET)).max_by_key(|id| number(id));
        newest.cloned().context("there is no rollout yet")
    }

    /// Does what a line says; what it returns is printed.
    fn deed(&mut self, deed: &str, text: &str) -> anyhow::Result<String> {
        let mut words = deed.split_whitespace();
        let verb = words.next().context("an empty line")?;
        let rest: Vec<&str> = words.collect();
        let first = rest.first().copied().unwrap_or_default();
        let end = |word: &str| match word {
            "ok" => Some(End::Applied),
            "failed" => Some(End::Failed),
            "rolledback" => Some(End::RolledBack),
            "inconsistent" => Some(End::Inconsistent),
            _ => None,
        };
        if let Some(end) = end(verb) {
            return self.report(&rest, end);
        }
        match verb {
            "put" => {
                let outcome = self.world.put(text)?;
                return Ok(refusal(&outcome));
            }
            "commit" => {
                let author = rest.get(1).copied().unwrap_or("Bob <bob@plant.example>");
                self.world.resolve(REPOSITORY, first.parse()?, author)?;
            }
            "find" => self.world.link(&first.parse()?, true, "RUNNING"),
            "lose" => self.world.link(&first.parse()?, false, ""),
            "facts" => self.world.link(&first.parse()?, true, rest.get(1).copied().unwrap_or("")),
            "wait" => self.world.wait(first.parse::<Span>()?),
            "rollout" => return self.act(&rest),
            "gateway" => return self.act_on_gateway(&rest),
            "hold" | "lift" => {
                let commit = GitId([first.parse()?; 20]);
                let repository = REPOSITORY.parse()?;
                let body = Body::HoldCommit { repository, commit, lift: verb == "lift" };
                return Ok(refusal(&self.world.apply("operator/ann", "because", body).0));
            }
            "gate" => self.gate(&rest)?,
            "forecast" => return self.forecast(first.parse()?),
            "why" => return self.why(first),
            other => bail!("unknown: {other}"),
        }
        Ok(String::new())
    }

    fn gate(&mut self, rest: &[&str]) -> anyhow::Result<()> {
        let [name, word, more @ ..] = rest else { bail!("gate NAME ANSWER") };
        let answer = |decision, retry_after| GateAnswer {
            decision,
            reason: "night shift".to_owned(),
            retry_after,
            warnings: Vec::new(),
        };
        let name = name.parse()?;
        let says = match *word {
            "allow" => Ok(answer(Decision::Allow, None)),
            "deny" => Ok(answer(Decision::Deny, None)),
            "defer" => {
                let after = more.first().context("for how long?")?.parse()?;
                Ok(answer(Decision::Defer, Some(after)))
            }
            "fail" => Err("gave no answer within 10s".to_owned()),
            "hang" => {
                self.world.gates.remove(&name);
                return Ok(());
            }
            other => bail!("unknown answer {other}"),
        };
        self.world.gates.insert(name, says);
        Ok(())
    }

    fn report(&mut self, rest: &[&str], end: End) -> anyhow::Result<String> {
        ensure!(!rest.is_empty(), "which gateway?");
        for name in rest {
            let gateway: GatewayName = name.parse()?;
            let Some(assignment) = self.world.assignment(&gateway) else {
                return Ok(format!("{name} was told nothing yet"));
            };
            let report = self.world.report(&assignment, end, "the view does not load");
            self.world.record(report);
        }
        Ok(String::new())
    }

    fn act(&mut self, rest: &[&str]) -> anyhow::Result<String> {
        let (verb, who) = match rest {
            [verb, who, ..] => (*verb, *who),
            [verb] => (*verb, ""),
            [] => bail!("which action?"),
        };
        // `approve rest as bob`
        let actor = match rest.iter().position(|word| *word == "as") {
            Some(at) => format!("operator/{}", rest.get(at + 1).context("as whom?")?),
            None => "operator/ann".to_owned(),
        };
        let who = if who == "as" { "" } else { who };
        let gateway = || who.parse::<GatewayName>();
        let stage = who.to_owned();
        let action = match verb {
            "start" => RolloutAction::Start { plan_hash: None },
            "pause" => RolloutAction::Pause,
            "resume" => RolloutAction::Resume,
            "approve" => RolloutAction::Approve { stage },
            "deny" => RolloutAction::Deny { stage },
            "promote" => RolloutAction::Promote,
            "retry" if who.is_empty() => RolloutAction::Retry { gateway: None },
            "retry" => RolloutAction::Retry { gateway: Some(gateway()?) },
            "skip" => RolloutAction::Skip { gateway: gateway()? },
            "abort" => RolloutAction::Abort,
            "undo" => RolloutAction::Undo,
            other => bail!("unknown action {other}"),
        };
        let body = Body::ActOnRollout { rollout: self.newest()?, action };
        Ok(refusal(&self.world.apply(&actor, "because", body).0))
    }

    fn act_on_gateway(&mut self, rest: &[&str]) -> anyhow::Result<String> {
        let [verb, name] = rest else { bail!("gateway VERB NAME") };
        let action = match *verb {
            "retry" => GatewayAction::Retry,
            "sync" => GatewayAction::Sync,
            "pause" => GatewayAction::Pause,
            "resume" => GatewayAction::Resume,
            other => bail!("unknown action {other}"),
        };
        let body = Body::ActOnGateway { gateway: name.parse()?, action };
        Ok(refusal(&self.world.apply("operator/ann", "because", body).0))
    }

    fn forecast(&self, deadline: Span) -> anyhow::Result<String> {
        let (state, now) = (&self.world.state, self.world.now);
        let request = match plan_of(state, &FLEET.parse()?, None) {
            Ok(request) => request.context("nothing to plan")?,
            Err(fault) => return Ok(format!("cannot be planned: {fault}")),
        };
        let seen = forecast(state, plan(request), now, deadline).map_err(anyhow::Error::msg)?;
        let mut lines: Vec<String> = seen
            .members
            .iter()
            .map(|one| {
                let (begins, takes) = (one.begins_at, Span(one.ends_at.since(one.begins_at).0));
                format!("{} from {begins}, {takes}", one.gateway)
            })
            .collect();
        let word = if seen.completes { "done" } else { "not done" };
        lines.push(format!("{word}, {} after it began", Span(seen.ends_at.since(now).0)));
        let path: Vec<&str> = seen.critical.iter().map(GatewayName::as_str).collect();
        lines.push(format!("critical path: {}", path.join(" -> ")));
        lines.extend(seen.left.iter().map(|(gateway, why)| format!("{gateway} is left: {why}")));
        Ok(lines.join("\n"))
    }

    fn why(&self, name: &str) -> anyhow::Result<String> {
        let (state, now) = (&self.world.state, self.world.now);
        let found = match name {
            "" => why::rollout(state, &self.newest()?, now),
            name => why::gateway(state, &name.parse()?, now),
        };
        if found.is_empty() {
            return Ok("nothing holds it".to_owned());
        }
        let line = |one: &why::Blocker| {
            let clear =
                if one.clear.is_empty() { String::new() } else { format!(" | {}", one.clear) };
            format!("{} {}: {}{clear}", one.code, one.subject, one.message)
        };
        Ok(found.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

fn refusal(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => String::new(),
        Outcome::Rejected(rejection) => format!("refused: {}", rejection.message()),
    }
}
