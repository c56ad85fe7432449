//! Fault points: named places at which the process kills itself when a test asks for it. Compiled in
//! under the feature `faults` only; otherwise every point is nothing.
//!
//! `MILLWRIGHT_FAULT_AT=n` kills the process with SIGKILL at the n-th point that it passes, counted
//! from 1 over all names. `MILLWRIGHT_FAULT_LOG=file` appends the name of each point that is passed.

/// Passes a point.
#[cfg(feature = "faults")]
pub fn point(name: &str) {
    imp::pass(name);
}

/// Passes a point.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_name: &str) {}

#[cfg(feature = "faults")]
mod imp {
    use std::{
        io::Write,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    static PASSED: AtomicU64 = AtomicU64::new(0);

    struct Plan {
        at: Option<u64>,
        log: Option<std::path::PathBuf>,
    }

    fn plan() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(|| Plan {
            at: std::env::var("MILLWRIGHT_FAULT_AT").ok().and_then(|text| text.parse().ok()),
            log: std::env::var_os("MILLWRIGHT_FAULT_LOG").map(Into::into),
        })
    }

    pub(super) fn pass(name: &str) {
        let plan = plan();
        let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(log) = &plan.log {
            let line = format!("{passed} {name}\n");
            let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
            let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
            written.expect("the log of fault points can be written");
        }
        if plan.at == Some(passed) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL)
                .expect("a process may kill itself");
            // The signal may take a moment; nothing else must happen in it.
            loop {
                std::thread::park();
            }
        }
    }
}
