//! What can go wrong, its exit code, and what to do next: one table.

use tonic::{Code, Status};

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything else.
    Error,
    /// Wrong words on the command line or in a file.
    Usage,
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
}

impl Kind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Error => 1,
            Kind::Usage => 2,
            Kind::NotFound => 4,
            Kind::Conflict => 5,
            Kind::Denied => 6,
            Kind::TimedOut => 7,
            Kind::OperationFailed => 8,
            Kind::Unavailable => 9,
        }
    }

    /// The word in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Error => "error",
            Kind::Usage => "usage",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Denied => "denied",
            Kind::TimedOut => "timed_out",
            Kind::OperationFailed => "operation_failed",
            Kind::Unavailable => "unavailable",
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
            Code::Unavailable | Code::DeadlineExceeded => Kind::Unavailable,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::ResourceExhausted
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Kind::Error,
        };
        let hint = status.metadata().get("millwright-hint").and_then(|hint| hint.to_str().ok());
        Self { kind, message: status.message().to_owned(), hint: hint.map(str::to_owned) }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(Kind::Error, error.to_string())
    }
}
