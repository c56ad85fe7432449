//! Runs many seeds of the simulation: `cargo run --release -p fleet-tests --bin sim -- --seeds 0..100000`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::Context;
use clap::Parser;
use fleet_tests::sim::{Fault, Tally, run};

/// Simulates fleets.
#[derive(Debug, Parser)]
struct Args {
    /// Which seeds, as `FIRST..END`.
    #[arg(long, default_value = "0..2000")]
    seeds: String,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let (first, end) = args.seeds.split_once("..").context("--seeds FIRST..END")?;
    let (first, end): (u64, u64) = (first.parse()?, end.parse()?);
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let work = || {
        let (mut tally, mut failures) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (tally, failures);
            }
            match run(seed, Fault::None) {
                Ok(one) => tally.add(one),
                Err(why) => failures.push(why),
            }
        }
    };
    let (tally, failures) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(work)).collect();
        let (mut all, mut failures) = (Tally::default(), Vec::new());
        for thread in threads {
            if let Ok((tally, failed)) = thread.join() {
                all.add(tally);
                failures.extend(failed);
            } else {
                failures.push("a thread panicked".to_owned());
            }
        }
        (all, failures)
    });
    let took = began.elapsed();
    let count = end.saturating_sub(first);
    #[expect(clippy::print_stdout, reason = "what it is for")]
    {
        println!(
            "{count} seeds in {:.1} s, {} a second: {} commands, {} rollouts, {} attempts, {} failures",
            took.as_secs_f64(),
            u128::from(count) * 1_000 / took.as_millis().max(1),
            tally.commands,
            tally.rollouts,
            tally.attempts,
            failures.len()
        );
        for failure in failures.iter().take(5) {
            println!("{failure}");
        }
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
