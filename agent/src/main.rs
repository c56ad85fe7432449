//! The agent program.

fn main() -> anyhow::Result<()> {
    millwright_agent::cli::start()
}
