//! From a command line to an exit code. A fault in this program is told from every other failure.

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

use crate::{
    cli::Cli,
    command,
    context::settings::Origins,
    error::{Error, Kind},
    output::{self, Output},
};

/// Runs `work`; a panic is reported as the bug that it is, with exit code 70.
pub fn guarded(work: impl FnOnce() -> ExitCode) -> ExitCode {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        output::complain(&format!("millctl has a fault: {panic}"));
        output::complain("hint:  please report this with the command that you gave");
    }));
    let code = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(before);
    code.unwrap_or(ExitCode::from(Kind::Bug.exit_code()))
}

/// Carries a command line out.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match Cli::command().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &args),
    };
    let (cli, origins) = match Cli::from_arg_matches(&matches) {
        Ok(cli) => (cli, Origins::of(&matches)),
        Err(error) => return refuse(&error, &args),
    };
    output::set_up(cli.global.quiet, cli.global.no_color);
    let format = cli.global.output.clone();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), &format),
    };
    let done = runtime.block_on(Box::pin(command::run(cli, origins)));
    // A name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, &format),
    }
}

fn failed(error: &Error, format: &Output) -> ExitCode {
    if error.kind != Kind::Differs {
        output::error(error, format);
    }
    ExitCode::from(error.kind.exit_code())
}

/// Help and version are no errors; the rest is, in the format asked for as far as one can tell.
fn refuse(error: &clap::Error, args: &[OsString]) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _gone = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
    }
    let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
    let json = words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
        || words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"));
    if !json {
        let _gone = error.print();
        return ExitCode::from(Kind::Usage.exit_code());
    }
    let text = error.render().to_string();
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let hint = tip.unwrap_or("--help shows what the command takes").trim().to_owned();
    failed(&Error::new(Kind::Usage, message).hint(hint), &Output::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_own_exit_code() {
        let code = guarded(|| panic!("a fault on purpose"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(70)));
        let fine = guarded(|| ExitCode::SUCCESS);
        assert_eq!(format!("{fine:?}"), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every command and every noun shows how it is used.
    #[test]
    fn every_command_has_an_example() {
        fn without(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !help.contains("millctl ") {
                found.push(path.clone());
            }
            for inner in command.get_subcommands() {
                without(inner, &path, found);
            }
        }
        let mut found = Vec::new();
        without(&Cli::command(), "", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
