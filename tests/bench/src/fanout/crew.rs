//! All agents together: starts them, collects what they see, stops them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use super::agent::{Agent, Seen};
use crate::wire::Wire;

/// How long anything may take that concerns all agents.
const PATIENCE: Duration = Duration::from_mins(2);

/// When a commit's assignments arrived and their reports were recorded; milliseconds since 1970.
#[derive(Debug, Default, Clone)]
pub struct Times {
    /// Per agent.
    pub assigned: Vec<f64>,
    /// Per agent.
    pub recorded: Vec<f64>,
}

/// Running agents.
#[derive(Debug)]
pub struct Crew {
    size: usize,
    wire: Arc<Wire>,
    seen: mpsc::UnboundedReceiver<Seen>,
    tasks: JoinSet<Agent>,
    stops: Vec<oneshot::Sender<()>>,
    welcomed: usize,
    times: BTreeMap<String, Times>,
}

impl Crew {
    /// Starts all at once, spread over the coordinators.
    pub fn start(agents: Vec<Agent>, addresses: &[String]) -> Self {
        let wire = Arc::new(Wire::default());
        let (tx, seen) = mpsc::unbounded_channel();
        let (mut tasks, mut stops) = (JoinSet::new(), Vec::new());
        let size = agents.len();
        for (n, agent) in agents.into_iter().enumerate() {
            let (stop, stopped) = oneshot::channel();
            let address = addresses[n % addresses.len()].clone();
            tasks.spawn(agent.run(address, Arc::clone(&wire), tx.clone(), stopped));
            stops.push(stop);
        }
        Self { size, wire, seen, tasks, stops, welcomed: 0, times: BTreeMap::new() }
    }

    fn take(&mut self, seen: Seen) -> anyhow::Result<()> {
        match seen {
            Seen::Welcomed => self.welcomed += 1,
            Seen::Assigned { commit, at_ms } => {
                self.times.entry(commit).or_default().assigned.push(at_ms);
            }
            Seen::Recorded { commit, at_ms } => {
                self.times.entry(commit).or_default().recorded.push(at_ms);
            }
            Seen::Ended(why) => bail!("an agent's stream ended: {why}"),
        }
        Ok(())
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let seen = tokio::time::timeout_at(deadline, self.seen.recv())
                .await
                .with_context(|| format!("not all agents are {what} ({})", self.progress()))?
                .context("the agents have ended")?;
            self.take(seen)?;
        }
        Ok(())
    }

    fn progress(&self) -> String {
        let last =
            self.times.values().map(|t| format!("{}/{}", t.assigned.len(), t.recorded.len()));
        let last: Vec<String> = last.collect();
        format!("{} welcomed, assigned/recorded: {}", self.welcomed, last.join(" "))
    }

    /// Waits until every stream is greeted.
    pub async fn welcomed(&mut self) -> anyhow::Result<()> {
        self.until("connected", |crew| crew.welcomed >= crew.size).await
    }

    /// Waits until every agent has got and reported a commit.
    pub async fn arrived(&mut self, commit: &str) -> anyhow::Result<Times> {
        let complete = |crew: &Self| {
            let times = crew.times.get(commit);
            times.is_some_and(|t| t.assigned.len() >= crew.size && t.recorded.len() >= crew.size)
        };
        self.until("at the commit", complete).await?;
        self.times.get(commit).cloned().context("it was there")
    }

    /// Lets time pass in which nothing may happen.
    pub async fn quiet(&mut self, span: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + span;
        while let Ok(Some(seen)) = tokio::time::timeout_at(until, self.seen.recv()).await {
            self.take(seen)?;
        }
        Ok(())
    }

    /// Bytes on all connections so far.
    pub fn wire_bytes(&self) -> u64 {
        self.wire.total()
    }

    /// Closes every stream; the agents may be started again.
    pub async fn stop(mut self) -> anyhow::Result<Vec<Agent>> {
        for stop in self.stops.drain(..) {
            // It may have ended by itself.
            let _ended = stop.send(());
        }
        let mut agents = Vec::with_capacity(self.size);
        while let Some(agent) = self.tasks.join_next().await {
            agents.push(agent?);
        }
        Ok(agents)
    }
}
