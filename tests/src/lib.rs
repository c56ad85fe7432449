//! Tests of the whole: real processes, and rules about the code itself. The crate has no code.
