//! The budget of one evaluation: steps, bytes of a value, depth of the stack. Counted, not timed, so
//! that every node ends at the same step.
//!
//! The budget belongs to the thread that evaluates, since jaq calls our values through traits that
//! carry no context. When it is spent, the thread is unwound without a report (`resume_unwind` does
//! not call the panic hook) and [`super::Program`] turns that into an error.

use std::{cell::Cell, panic::resume_unwind};

/// Steps of one evaluation. A filter over an array of 100,000 items, as many values as the largest
/// view has, takes about 10 million; all of them take a second or two.
pub const STEPS_MAX: u64 = 20_000_000;
/// Bytes that one evaluation may take from memory, freed ones included.
const MEMORY_MAX: u64 = 512 << 20;
/// Bytes of one value, as it would be written: eight times the largest file that was seen.
pub const VALUE_BYTES_MAX: u64 = 32 << 20;
/// Bytes that one step pays for.
const BYTES_PER_STEP: u64 = 16;

/// Why an evaluation was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Steps,
    Size,
    Depth,
    Stack,
    Regex,
}

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static MEMORY: Cell<u64> = const { Cell::new(0) };
    static FLOOR: Cell<usize> = const { Cell::new(0) };
}

/// An address in the current frame.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}

/// The meter of this thread.
pub(super) struct Meter;

impl Meter {
    /// A fresh budget of steps, with this much stack below the caller.
    pub(super) fn begin(steps: u64, stack: usize) {
        LEFT.set(steps);
        MEMORY.set(MEMORY_MAX);
        FLOOR.set(here().saturating_sub(stack));
    }

    /// Pays for steps.
    pub(super) fn pay(steps: u64) {
        match LEFT.get().checked_sub(steps) {
            Some(left) => LEFT.set(left),
            None => Self::stop(Stop::Steps),
        }
        if here() < FLOOR.get() {
            Self::stop(Stop::Stack);
        }
    }

    /// Pays for memory.
    pub(super) fn take(bytes: usize) {
        match MEMORY.get().checked_sub(bytes as u64) {
            Some(left) => MEMORY.set(left),
            None => Self::stop(Stop::Size),
        }
    }

    /// Pays for bytes that are made or read.
    pub(super) fn pay_bytes(bytes: usize) {
        Self::pay(1 + bytes as u64 / BYTES_PER_STEP);
    }

    /// Ends the evaluation.
    pub(super) fn stop(why: Stop) -> ! {
        // The values that unwinding drops must not end it a second time.
        LEFT.set(u64::MAX);
        MEMORY.set(u64::MAX);
        FLOOR.set(0);
        resume_unwind(Box::new(why))
    }
}
