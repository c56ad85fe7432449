//! Asking before something is destroyed. Without a terminal nothing is guessed: exit code 3.

use std::io::{self, BufRead, Write};

use clap::Args;

use crate::{
    context::Context,
    error::{Error, Kind, Result},
    output::terminal,
};

/// How a person says yes beforehand.
#[derive(Debug, Clone, Args)]
pub struct Confirm {
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// The context's name, for contexts that are protected; --yes is not enough there.
    #[arg(long, value_name = "CONTEXT")]
    pub confirm_context: Option<String>,
}

/// What is needed before the deed, decided without asking.
#[derive(Debug, PartialEq, Eq)]
enum Need<'a> {
    Nothing,
    Yes,
    Name(&'a str),
    OtherName(&'a str),
}

fn need<'a>(context: &'a str, protected: bool, flags: &Confirm) -> Need<'a> {
    match (&flags.confirm_context, protected) {
        (Some(name), _) if name == context => Need::Nothing,
        (Some(_), _) => Need::OtherName(context),
        (None, true) => Need::Name(context),
        (None, false) if flags.yes => Need::Nothing,
        (None, false) => Need::Yes,
    }
}

fn ask(question: &str) -> Result<String> {
    let mut err = io::stderr().lock();
    write!(err, "{question}").and_then(|()| err.flush())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

fn required(what: &str, flag: &str) -> Error {
    Error::new(Kind::ConfirmationRequired, format!("{what} needs a yes, and nobody can be asked"))
        .hint(format!("give it beforehand: {flag}"))
}

/// Returns when the person wants it. `what` is a clause such as *deleting gateway line1*.
pub fn confirm(context: &Context, what: &str, flags: &Confirm) -> Result<()> {
    let refused = || Error::new(Kind::ConfirmationRequired, format!("{what}: not confirmed"));
    match need(&context.name, context.protected, flags) {
        Need::Nothing => Ok(()),
        Need::OtherName(name) => {
            let message = format!("{what}: the context is {name:?}, not what was confirmed");
            Err(Error::new(Kind::ConfirmationRequired, message))
        }
        Need::Yes if !terminal::can_ask() => Err(required(what, "--yes")),
        Need::Yes => match ask(&format!("{} [y/N] ", sentence(what)))?.to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(refused()),
        },
        Need::Name(name) if !terminal::can_ask() => {
            Err(required(what, &format!("--confirm-context {name} (the context is protected)")))
        }
        Need::Name(name) => {
            let question = format!(
                "{} The context is protected: type its name ({name}) to go on: ",
                sentence(what)
            );
            if ask(&question)? == name { Ok(()) } else { Err(refused()) }
        }
    }
}

fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}?", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_contexts_want_their_name() {
        let flags =
            |yes, name: Option<&str>| Confirm { yes, confirm_context: name.map(str::to_owned) };
        assert_eq!(need("prod", false, &flags(true, None)), Need::Nothing);
        assert_eq!(need("prod", false, &flags(false, None)), Need::Yes);
        assert_eq!(need("prod", true, &flags(true, None)), Need::Name("prod"));
        assert_eq!(need("prod", true, &flags(false, Some("prod"))), Need::Nothing);
        assert_eq!(need("prod", false, &flags(true, Some("lab"))), Need::OtherName("prod"));
        assert_eq!(sentence("deleting gateway gw1"), "Deleting gateway gw1?");
    }
}
