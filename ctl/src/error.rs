//! What can go wrong, its exit code, and what to do next: one table.

use millwright_proto::hint::hint_of;
use tonic::{Code, Status};

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No error: two things differ, which the output says.
    Differs,
    /// Anything else.
    Error,
    /// Anything else, of a command whose exit code 1 is an answer.
    NoAnswer,
    /// Wrong words on the command line or in a file.
    Usage,
    /// Nobody said yes, and there is nobody to ask.
    ConfirmationRequired,
    /// Not there.
    NotFound,
    /// Something changed meanwhile.
    Conflict,
    /// Not allowed.
    Denied,
    /// The operation goes on, but we stopped waiting.
    TimedOut,
    /// The operation ended badly.
    OperationFailed,
    /// No coordinator, or no leader.
    Unavailable,
    /// A fault in this program.
    Bug,
}

impl Kind {
    /// Every kind, for the table of exit codes.
    pub const ALL: [Kind; 12] = [
        Kind::Differs,
        Kind::Error,
        Kind::NoAnswer,
        Kind::Usage,
        Kind::ConfirmationRequired,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Denied,
        Kind::TimedOut,
        Kind::OperationFailed,
        Kind::Unavailable,
        Kind::Bug,
    ];

    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Differs | Kind::Error => 1,
            Kind::NoAnswer | Kind::Usage => 2,
            Kind::ConfirmationRequired => 3,
            Kind::NotFound => 4,
            Kind::Conflict => 5,
            Kind::Denied => 6,
            Kind::TimedOut => 7,
            Kind::OperationFailed => 8,
            Kind::Unavailable => 9,
            Kind::Bug => 70,
        }
    }

    /// The word in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Differs => "differs",
            Kind::Error | Kind::NoAnswer => "error",
            Kind::Usage => "usage",
            Kind::ConfirmationRequired => "confirmation_required",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Denied => "denied",
            Kind::TimedOut => "timed_out",
            Kind::OperationFailed => "operation_failed",
            Kind::Unavailable => "unavailable",
            Kind::Bug => "bug",
        }
    }

    /// Whether the same command may do better later.
    pub fn is_retryable(self) -> bool {
        match self {
            Kind::Conflict | Kind::TimedOut | Kind::Unavailable => true,
            Kind::Differs
            | Kind::Error
            | Kind::NoAnswer
            | Kind::Usage
            | Kind::ConfirmationRequired
            | Kind::NotFound
            | Kind::Denied
            | Kind::OperationFailed
            | Kind::Bug => false,
        }
    }
}

/// An error for the person.
#[derive(Debug, Clone)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// What happened, to what, why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let kind = match status.code() {
            Code::InvalidArgument | Code::OutOfRange => Kind::Usage,
            Code::NotFound => Kind::NotFound,
            Code::Aborted | Code::AlreadyExists | Code::FailedPrecondition => Kind::Conflict,
            Code::PermissionDenied | Code::Unauthenticated => Kind::Denied,
            // The gRPC library calls its own time limit a cancellation.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Kind::Unavailable,
            Code::Ok
            | Code::Unknown
            | Code::ResourceExhausted
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Kind::Error,
        };
        let hint = hint_of(&status).map(str::to_owned);
        let hint = hint.or_else(|| {
            (status.code() == Code::Unimplemented)
                .then(|| "the coordinators are older than this program: millctl version".to_owned())
        });
        let message = match status.message() {
            "" => format!("the coordinator answered {}", status.code()),
            message => message.to_owned(),
        };
        Self { kind, message, hint }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(Kind::Error, error.to_string())
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.contains(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes = Kind::ALL.map(Kind::exit_code);
        assert_eq!(codes, [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 70]);
    }

    #[test]
    fn a_status_without_text_still_says_something() {
        let error = Error::from(Status::new(Code::Unimplemented, ""));
        assert!(!error.message.is_empty() && error.hint.is_some());
    }
}
