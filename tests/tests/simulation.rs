//! Seeds of the simulation, and for every planted fault some that it does not survive.

use fleet_tests::sim::{Fault, run};

/// Seeds that run each time.
const SEEDS: u64 = 2_000;
/// Seeds far away that once broke an invariant.
const ONCE: [u64; 5] = [10_876, 19_016, 19_506, 37_348, 50_286];
/// A planted fault must show within these.
const FAULTY: u64 = 300;

#[test]
fn no_seed_breaks_an_invariant() {
    let half = |first: u64| {
        std::thread::spawn(move || {
            (first..SEEDS).step_by(2).chain(ONCE).find_map(|seed| run(seed, Fault::None).err())
        })
    };
    for thread in [half(0), half(1)] {
        let failed = thread.join().expect("no seed panics");
        assert_eq!(failed, None);
    }
}

#[test]
fn every_planted_fault_is_found() {
    for fault in Fault::ALL {
        let found = (0..FAULTY).find_map(|seed| run(seed, fault).err());
        let why = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        let line = why.lines().next().unwrap_or_default();
        let expected = match fault {
            Fault::None => unreachable!("it is not planted"),
            Fault::NoLimit => "at work in a stage of",
            Fault::NoOrder => "began before",
            Fault::NoStages => "opened",
            Fault::NoWindows => "began though",
            Fault::Lies => "has other files than",
            Fault::NoHolds => "held commit",
            Fault::NoGates => "has not agreed",
            Fault::AsksTwice => "was asked again",
            Fault::NoDryRuns => "before its dry run",
            Fault::LateWrites => "writes",
            Fault::Asleep => "never ends",
        };
        // A fault may break another rule first: what it is about must be among those found.
        let other = || {
            (0..FAULTY).filter_map(|seed| run(seed, fault).err()).any(|why| why.contains(expected))
        };
        assert!(line.contains(expected) || other(), "{fault:?}: {line}");
    }
}
