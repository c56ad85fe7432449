//! `template` of `tests/fuzzed`, over texts that libFuzzer makes.
#![no_main]

#[path = "../../tests/fuzzed/template.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|text: &str| property::run(text));
