//! One simulated gateway with a real agent process, and what the agent has used so far.

use std::path::{Path, PathBuf};

use anyhow::Context;
use gateway_sim::{Sim, SimConfig, knobs::ScanOutcome};
use playground::{
    cluster::Cluster,
    process::{Process, binary, run},
};

use crate::machine::cpu_seconds;

/// What the agent has used since it started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// TCP payload in both directions on its connections to coordinators.
    pub wire_bytes: f64,
}

/// A gateway and its agent.
#[derive(Debug)]
pub struct Site {
    /// Name of the gateway.
    pub name: String,
    program: String,
    home: PathBuf,
    port: String,
    agent: Process,
    /// Its gateway.
    pub sim: Sim,
}

impl Site {
    /// Enrols and starts an agent, `program` by name or path, with an empty gateway, simulated as `set`
    /// says.
    pub async fn start(
        dir: &Path,
        cluster: &Cluster,
        name: &str,
        set: fn(&mut SimConfig),
        program: &str,
    ) -> anyhow::Result<Self> {
        let home = dir.join("sites").join(name);
        let data = home.join("data");
        std::fs::create_dir_all(&data)?;
        let mut config = SimConfig::new(data.clone(), name);
        set(&mut config);
        let sim = Sim::start(config).await?;
        let file = home.join("gateway-token");
        std::fs::write(&file, sim.token_header())?;
        let token = cluster.ctl(&["token", "create", "agent", name]).await?;
        let node = cluster.nodes.first().context("a cluster without nodes")?;
        let agent_dir = home.join("agent").display().to_string();
        let (data, file, url) = (data.display().to_string(), file.display().to_string(), sim.url());
        let mut args = vec!["enrol", "--dir", &agent_dir, "--token", token.trim()];
        args.extend(["--gateway", name, "--data-dir", &data, "--gateway-url", &url]);
        args.extend(["--gateway-token-file", &file, "--coordinator", &node.api]);
        run(&binary(program)?, &args).await.context("cannot enrol the agent")?;
        let agent = run_agent(program, name, &home)?;
        let port = node.api.rsplit(':').next().unwrap_or_default().to_owned();
        let program = program.to_owned();
        Ok(Self { name: name.to_owned(), program, home, port, agent, sim })
    }

    /// The data directory of its gateway.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The agent's folder.
    pub fn agent_dir(&self) -> PathBuf {
        self.home.join("agent")
    }

    /// The agent's log.
    pub fn agent_log(&self) -> PathBuf {
        self.home.join("agent.log")
    }

    /// Process id of the agent.
    pub fn agent_id(&self) -> anyhow::Result<u32> {
        self.agent.id().context("the agent has ended")
    }

    /// SIGKILL to the agent, and a new one in its place.
    pub async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.agent.kill().await?;
        self.agent = run_agent(&self.program, &self.name, &self.home)?;
        Ok(())
    }

    /// As of now. The kernel counts the bytes of open connections; the agent keeps one.
    pub async fn usage(&self) -> anyhow::Result<Usage> {
        let id = self.agent_id()?;
        let filter = format!("dport = :{}", self.port);
        let args = ["-tinpOH", "state", "established", &filter];
        let listed = run(Path::new("ss"), &args).await.context("ss of iproute2 is needed")?;
        let own = format!("pid={id},");
        let wire_bytes = listed
            .lines()
            .filter(|line| line.contains(&own))
            .flat_map(|line| ["bytes_sent:", "bytes_received:"].map(|key| counter(line, key)))
            .sum();
        Ok(Usage { cpu_seconds: cpu_seconds(id)?, wire_bytes })
    }

    /// Ends the agent and removes the files.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.agent.kill().await?;
        // The log is worth more than the files when a folder is kept.
        std::fs::remove_dir_all(self.data_dir())?;
        Ok(())
    }
}

/// A gateway whose scans are no work: the agent's own time is measured, not the gateway's.
pub fn no_scan(config: &mut SimConfig) {
    let scan = &mut config.knobs.scan;
    (scan.min_ms, scan.max_ms, scan.outcome) = (1, 1, ScanOutcome::Blank);
}

fn run_agent(program: &str, name: &str, home: &Path) -> anyhow::Result<Process> {
    let dir = home.join("agent").display().to_string();
    Process::start(name, program, &["run", "--dir", &dir], &home.join("agent.log"))
}

fn counter(line: &str, key: &str) -> f64 {
    let number = line.split(key).nth(1).and_then(|rest| rest.split_whitespace().next());
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_ss_are_read() {
        let line = "0 0 127.0.0.1:5 127.0.0.1:6 users:((\"x\",pid=7,fd=9)) cubic bytes_sent:120 bytes_acked:121 bytes_received:4300 rtt:0.1";
        assert!((counter(line, "bytes_sent:") - 120.0).abs() < 1e-9);
        assert!((counter(line, "bytes_received:") - 4300.0).abs() < 1e-9);
        assert!(counter(line, "bytes_retrans:").abs() < 1e-9);
    }
}
