//! `millctl completion`: a script that asks this program, so that names are live and new commands
//! need no new script.

use clap::ValueEnum;
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use crate::{complete::VARIABLE, error::Result, output};

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl completion bash > /etc/bash_completion.d/millctl
  millctl completion zsh > \"${fpath[1]}/_millctl\"
  millctl completion fish > ~/.config/fish/completions/millctl.fish
  millctl completion powershell >> $PROFILE")]
pub struct Args {
    /// Which.
    pub shell: Shell,
}

pub(super) fn run(Args { shell }: Args) -> Result<()> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
    };
    let mut text = Vec::new();
    completer.write_registration(VARIABLE, "millctl", "millctl", "millctl", &mut text)?;
    output::print(&String::from_utf8_lossy(&text));
    Ok(())
}
