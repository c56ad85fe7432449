//! The agent program, with fault points at which tests kill it.

fn main() -> anyhow::Result<()> {
    millwright_agent::cli::start()
}
