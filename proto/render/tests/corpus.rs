//! The rules of this crate over real repositories: two 8.1 projects and two 8.3 trees. The data is
//! found in `MILLWRIGHT_TEST_DATA` or beside the workspace; without it the tests say so and pass.

#![expect(clippy::print_stdout, reason = "the counts are a result of these tests")]

#[path = "corpus/data.rs"]
mod data;
#[path = "corpus/jq.rs"]
mod jq;
#[path = "corpus/json.rs"]
mod json;
#[path = "corpus/lint.rs"]
mod lint;
#[path = "corpus/signatures.rs"]
mod signatures;
