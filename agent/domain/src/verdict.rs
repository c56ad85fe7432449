//! What the evidence after a scan means: healthy, unhealthy or unknown. A failed *call* is unknown,
//! a wrong *answer* is unhealthy; the two are never mixed.

use millwright_model::report::{Failure, FailureKind, Retry, Step};

/// Paths or log lines named in one failure.
const NAMED_MAX: usize = 10;

/// One look at something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad(String),
    /// It could not be looked at.
    Unknown(String),
}

/// Everything that was looked at after the scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Files that are not what was written, apart from stamps.
    pub differing: Vec<String>,
    /// `resource.json` that the gateway stamped anew.
    pub restamped: Vec<String>,
    /// Log lines that say something was not loaded, or why the log could not be read.
    pub not_loaded: Result<Vec<String>, String>,
    /// The gateway itself.
    pub health: Look,
    /// Each probe, by its address.
    pub probes: Vec<(String, Look)>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Empty: healthy.
    pub failures: Vec<Failure>,
    /// What people should know all the same.
    pub notices: Vec<Failure>,
}

fn named(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        text.push_str(&format!(" and {} more", all.len() - NAMED_MAX));
    }
    text
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure::new(Step::Verify, kind, message)
}

/// Judges.
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut failures = Vec::new();
    let mut notices = Vec::new();
    if !evidence.differing.is_empty() {
        let count = evidence.differing.len();
        let message = format!(
            "{count} files were edited while they were being applied, and the edits were kept: {}",
            named(&evidence.differing)
        );
        failures.push(
            failure(FailureKind::ChangedUnderneath, message)
                .about(evidence.differing[0].clone())
                .remedy("capture the edits, or millctl gateway sync to overwrite them")
                .retry(Retry::Never),
        );
    }
    match &evidence.not_loaded {
        Ok(lines) if lines.is_empty() => {}
        Ok(lines) => {
            let message = format!("the gateway did not load everything: {}", named(lines));
            failures.push(
                failure(FailureKind::NotLoaded, message)
                    .remedy("correct the named resources in git")
                    .retry(Retry::Never),
            );
        }
        Err(why) => {
            let message = format!("the gateway's log cannot be read: {why}");
            failures.push(failure(FailureKind::HealthUnknown, message));
        }
    }
    look("the gateway", FailureKind::Unhealthy, &evidence.health, &mut failures);
    for (url, result) in &evidence.probes {
        look(&format!("probe {url}"), FailureKind::ProbeFailed, result, &mut failures);
    }
    if !evidence.restamped.is_empty() {
        let count = evidence.restamped.len();
        let message = format!(
            "the gateway stamped {count} resource.json anew: their signatures were stale in git: {}",
            named(&evidence.restamped)
        );
        notices.push(failure(FailureKind::ReadBack, message));
    }
    Judgement { failures, notices }
}

fn look(what: &str, bad: FailureKind, result: &Look, failures: &mut Vec<Failure>) {
    match result {
        Look::Good => {}
        Look::Bad(why) => {
            failures.push(failure(bad, format!("{what}: {why}")).about(what.to_owned()));
        }
        Look::Unknown(why) => {
            let message = format!("{what} could not be looked at: {why}");
            failures.push(failure(FailureKind::HealthUnknown, message).about(what.to_owned()));
        }
    }
}

/// Splits what is only unknown from what is wrong, for the policy `onUnknown: keep`: the unknown
/// becomes a notice when nothing is wrong.
pub fn keep_unknown(mut judgement: Judgement) -> Judgement {
    let unknown = |failure: &Failure| failure.kind == FailureKind::HealthUnknown;
    if judgement.failures.iter().all(unknown) {
        judgement.notices.append(&mut judgement.failures);
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            differing: vec![],
            restamped: vec![],
            not_loaded: Ok(vec![]),
            health: Look::Good,
            probes: vec![("/x".to_owned(), Look::Good)],
        }
    }

    fn kinds(evidence: &Evidence) -> Vec<FailureKind> {
        judge(evidence).failures.into_iter().map(|failure| failure.kind).collect()
    }

    #[test]
    fn a_failed_call_is_unknown_and_a_wrong_answer_is_unhealthy() {
        assert!(kinds(&good()).is_empty());
        let cases = [
            (
                Evidence { health: Look::Bad("503".into()), ..good() },
                FailureKind::Unhealthy,
            ),
            (
                Evidence { health: Look::Unknown("reset".into()), ..good() },
                FailureKind::HealthUnknown,
            ),
            (
                Evidence { not_loaded: Ok(vec!["x will not be loaded".into()]), ..good() },
                FailureKind::NotLoaded,
            ),
            (Evidence { not_loaded: Err("500".into()), ..good() }, FailureKind::HealthUnknown),
            (
                Evidence { probes: vec![("/x".into(), Look::Bad("404".into()))], ..good() },
                FailureKind::ProbeFailed,
            ),
            (Evidence { differing: vec!["a".into()], ..good() }, FailureKind::ChangedUnderneath),
        ];
        for (evidence, kind) in cases {
            assert_eq!(kinds(&evidence), [kind]);
        }
        let restamped = Evidence { restamped: vec!["a".into()], ..good() };
        assert!(kinds(&restamped).is_empty());
        assert_eq!(judge(&restamped).notices.len(), 1);
    }

    #[test]
    fn the_unknown_is_kept_only_alone() {
        let unknown = Evidence { health: Look::Unknown("x".into()), ..good() };
        let kept = keep_unknown(judge(&unknown));
        assert!(kept.failures.is_empty() && kept.notices.len() == 1);
        let both = Evidence { not_loaded: Ok(vec!["x".into()]), ..unknown };
        assert_eq!(keep_unknown(judge(&both)).failures.len(), 2);
    }
}
