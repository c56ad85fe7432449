//! Small draws.

use rand::{Rng, rngs::StdRng};

/// One of several.
pub(super) fn one<'a, T>(rng: &mut StdRng, all: &'a [T]) -> Option<&'a T> {
    if all.is_empty() {
        return None;
    }
    all.get(rng.random_range(0..all.len()))
}
