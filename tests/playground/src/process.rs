//! Child processes that end with us: each is killed when dropped, and ends by itself when its
//! standard input closes, which happens even if we are killed.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program that understands `--until-stdin-closes`; its log goes to a file.
    pub fn start(name: &str, program: &str, args: &[&str], log: &Path) -> anyhow::Result<Self> {
        Self::start_in(name, program, args, log, &[])
    }

    /// The same with variables in its environment.
    pub fn start_in(
        name: &str,
        program: &str,
        args: &[&str],
        log: &Path,
        env: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = Command::new(binary(program)?)
            .args(args)
            .arg("--until-stdin-closes")
            .envs(env.iter().map(|(key, value)| (*key, value.as_str())))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, while it runs: for measurements.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        self.child.wait().await.with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// SIGSTOP or SIGCONT: a frozen process keeps its connections and hears nothing.
    pub fn freeze(&self, freeze: bool) -> anyhow::Result<()> {
        let id = self.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.with_context(|| format!("{} does not run", self.name))?;
        let signal = if freeze { Signal::STOP } else { Signal::CONT };
        kill_process(id, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// SIGKILL, as a power cut would.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }
}

/// Runs a program to its end and returns what it printed.
pub async fn run(program: &Path, args: &[&str]) -> anyhow::Result<String> {
    let done = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        bail!("{} {}: {}", program.display(), args.join(" "), why.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Where a program of this workspace is: beside us, or one folder up when we are a test.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found =
        own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("the program {name} has not been built"))
}

/// Builds the programs that are started as processes, in the profile that we were built in. The whole
/// workspace with the features that its tests have: so nothing that `cargo test` has built is built
/// again with others, and cargo does nothing when they are there already.
pub fn build_programs() -> anyhow::Result<()> {
    cargo(&["--workspace", "--tests", "--bins"])
}

/// Builds only the programs, for a person who plays: the tests of the workspace are not needed.
pub fn build_for_play() -> anyhow::Result<()> {
    cargo(&["--bins", "-p", "millwright-coordinator", "-p", "millwright-agent", "-p", "millctl"])
}

/// Where `cargo build --profile small` puts the agent.
pub fn small_agent() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("this program is in no target folder")?;
    Ok(target.join("small/millwright-agent"))
}

/// Builds the agent with fault points.
pub fn build_faulty_agent() -> anyhow::Result<()> {
    cargo(&[
        "--workspace",
        "--bin",
        "millwright-agent-faults",
        "--features",
        "millwright-agent/faults",
    ])
}

fn cargo(args: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = std::process::Command::new(cargo);
    command.args(["build", "--quiet", "--locked"]).args(args);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let done = command.current_dir(root).status().context("cannot run cargo")?;
    if !done.success() {
        bail!("cargo could not build the programs");
    }
    Ok(())
}

/// A port that is free now on loopback, and that nobody in this process was given before: whoever gets
/// it listens later. Not one that the system gives to outgoing connections: such a
/// connection could take it while a program that is killed and started again does not listen.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let port = rand::random_range(PORTS);
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no port between {} and {} is free", PORTS.start(), PORTS.end());
}

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Below the range of outgoing connections on Linux (32768 to 60999) and above what services use.
const PORTS: std::ops::RangeInclusive<u16> = 15_000..=32_000;
