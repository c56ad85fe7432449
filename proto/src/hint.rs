//! Hints beside an error: what to do next, in the metadata of a status.

use tonic::{Code, Status, metadata::MetadataValue};

/// Metadata key under which a hint for the person travels.
const KEY: &str = "millwright-hint";

/// A status with a hint. One that cannot be a metadata value is left out.
pub fn with_hint(code: Code, message: impl Into<String>, hint: &str) -> Status {
    let mut status = Status::new(code, message);
    if let Ok(value) = MetadataValue::try_from(hint) {
        status.metadata_mut().insert(KEY, value);
    }
    status
}

/// The hint of a status, if it has one.
pub fn hint_of(status: &Status) -> Option<&str> {
    status.metadata().get(KEY)?.to_str().ok()
}

/// What was said, with its hint, for people.
pub fn told(status: &Status) -> String {
    match hint_of(status) {
        Some(hint) => format!("{}; {hint}", status.message()),
        None => status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_travels_beside_the_message() {
        let status = with_hint(Code::NotFound, "no such gateway", "millctl get gateways");
        assert_eq!(told(&status), "no such gateway; millctl get gateways");
        assert_eq!(told(&Status::not_found("no such gateway")), "no such gateway");
        assert_eq!(hint_of(&with_hint(Code::NotFound, "x", "two\nlines")), None);
    }
}
