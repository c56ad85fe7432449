//! The `millctl` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    millctl::complete::answer_shell();
    millctl::program::guarded(|| millctl::program::run(std::env::args_os()))
}
