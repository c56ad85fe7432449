//! Faults of the web server on chosen routes.

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FaultKind {
    /// Answers with this status and its error page, and does nothing.
    Status {
        /// HTTP status.
        code: u16,
    },
    /// Answers with this status and body, and does nothing.
    Answer {
        /// HTTP status.
        code: u16,
        /// Body, as JSON.
        body: String,
    },
    /// Answers late.
    Slow {
        /// By how much.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// The connection is reset when this many bytes of the body were sent.
    Reset {
        /// How many.
        after: usize,
    },
    /// The body ends early, in a well-formed answer.
    Truncate {
        /// Bytes that are left.
        to: usize,
    },
}

/// A fault on some routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Requests whose path begins so.
    pub path: String,
    /// Only requests of this method.
    #[serde(default)]
    pub method: Option<String>,
    /// How many matching requests go well before.
    #[serde(default)]
    pub skip: u32,
    /// How many are hit; for ever when absent.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub what: FaultKind,
}

impl Fault {
    /// Hits every request below a path.
    pub fn on(path: &str, what: FaultKind) -> Self {
        Self { path: path.to_owned(), method: None, skip: 0, times: None, what }
    }
}

/// The fault that hits a request; counts it.
pub(crate) fn hit(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<FaultKind> {
    let at = faults.iter().position(|fault| {
        path.starts_with(&fault.path) && fault.method.as_deref().is_none_or(|m| m == method)
    })?;
    let fault = &mut faults[at];
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    let what = fault.what.clone();
    if let Some(times) = &mut fault.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(at);
        }
    }
    Some(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_after_some_and_so_often() {
        let what = FaultKind::Status { code: 500 };
        let mut faults =
            vec![Fault { skip: 1, times: Some(2), ..Fault::on("/data/api", what.clone()) }];
        let hits: Vec<bool> =
            (0..5).map(|_| hit(&mut faults, "GET", "/data/api/v1/x").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        let mut faults = vec![Fault { method: Some("POST".into()), ..Fault::on("/a", what) }];
        assert!(hit(&mut faults, "GET", "/a").is_none());
        assert!(hit(&mut faults, "POST", "/b").is_none());
        assert!(hit(&mut faults, "POST", "/a").is_some());
    }
}
