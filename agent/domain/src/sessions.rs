//! Whether open sessions hold a change back. What cannot be told counts as present; a Designer that
//! has no project open yet counts for every project.

use std::collections::BTreeSet;

use millwright_model::{
    facts::{OpenSession, SessionKind},
    policy::{OnTimeout, Presence, Scope, Sessions},
    report::{Failure, FailureKind, Retry, Step},
    time::Span,
};

/// What the gateway says of one kind of session: a list, or why there is none.
pub type Seen = Result<Vec<OpenSession>, String>;

/// Everything that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllSeen {
    /// Designers.
    pub designers: Seen,
    /// Perspective sessions.
    pub perspective: Seen,
    /// Vision clients.
    pub vision: Seen,
}

impl AllSeen {
    /// Every session; `None` when any kind is unknown.
    pub fn all(&self) -> Option<Vec<OpenSession>> {
        let kinds = [&self.designers, &self.perspective, &self.vision];
        let known: Option<Vec<&Vec<OpenSession>>> =
            kinds.into_iter().map(|seen| seen.as_ref().ok()).collect();
        known.map(|lists| lists.into_iter().flatten().cloned().collect())
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Go on; these are open all the same.
    Proceed {
        /// For the report.
        sessions: Vec<OpenSession>,
        /// What could not be told, or was passed over.
        notices: Vec<Failure>,
    },
    /// Ask again after a pause.
    Wait {
        /// Who holds it back, for people.
        blockers: Vec<String>,
    },
    /// Not now.
    Fail(Vec<Failure>),
}

/// What one kind of session means for this change.
enum Kind {
    Clear(Vec<OpenSession>),
    Present { failures: Vec<Failure>, sessions: Vec<OpenSession>, policy: Presence },
}

/// Decides. `touched` are the projects that the change touches, children of touched parents
/// included; `waited` is how long the wait has lasted.
pub fn decide(policy: &Sessions, seen: &AllSeen, touched: &BTreeSet<String>, waited: Span) -> Gate {
    let designer_scope = policy.designer.scope;
    let kinds = [
        judge(SessionKind::Designer, &seen.designers, policy.designer.policy, |session| {
            counts(session, designer_scope, touched)
        }),
        judge(SessionKind::Perspective, &seen.perspective, policy.perspective.policy, |session| {
            counts(session, Scope::Project, touched)
        }),
        judge(SessionKind::Vision, &seen.vision, policy.vision.policy, |session| {
            counts(session, Scope::Project, touched)
        }),
    ];
    let (mut named, mut notices, mut waiting, mut failing) = (vec![], vec![], vec![], vec![]);
    for kind in kinds {
        match kind {
            Kind::Clear(sessions) => named.extend(sessions),
            Kind::Present { failures, sessions, policy } => {
                named.extend(sessions);
                match policy {
                    Presence::Proceed => notices.extend(failures),
                    Presence::Wait => waiting.extend(failures),
                    Presence::Fail => failing.extend(failures),
                }
            }
        }
    }
    if !failing.is_empty() {
        failing.extend(waiting);
        return Gate::Fail(failing);
    }
    if waiting.is_empty() {
        return Gate::Proceed { sessions: named, notices };
    }
    if waited < policy.designer.timeout {
        return Gate::Wait { blockers: waiting.into_iter().map(|f| f.message).collect() };
    }
    match policy.designer.on_timeout {
        OnTimeout::Proceed => {
            notices.extend(waiting);
            Gate::Proceed { sessions: named, notices }
        }
        OnTimeout::Fail => Gate::Fail(waiting),
    }
}

fn counts(session: &OpenSession, scope: Scope, touched: &BTreeSet<String>) -> bool {
    match scope {
        Scope::Gateway => true,
        Scope::Project if session.project.is_empty() => !touched.is_empty(),
        Scope::Project => touched.contains(&session.project),
    }
}

fn judge(
    kind: SessionKind,
    seen: &Seen,
    policy: Presence,
    counts: impl Fn(&OpenSession) -> bool,
) -> Kind {
    let sessions: Vec<OpenSession> = match seen {
        Ok(all) => all.iter().filter(|session| counts(session)).cloned().collect(),
        Err(why) => {
            let message = format!("it cannot be told whether a {kind} is open: {why}");
            let failure = Failure::new(Step::Sessions, FailureKind::SessionsUnknown, message)
                .about(kind.as_str())
                .remedy(format!("make the gateway answer, or set sessions.{kind}.policy: proceed"));
            return Kind::Present { failures: vec![failure], sessions: vec![], policy };
        }
    };
    // Running sessions are only named, unless the policy says that they matter.
    if sessions.is_empty() || (kind != SessionKind::Designer && policy == Presence::Proceed) {
        return Kind::Clear(sessions);
    }
    let failures = sessions
        .iter()
        .map(|session| {
            let place = match session.project.as_str() {
                "" => "no project yet".to_owned(),
                project => format!("project {project}"),
            };
            let message =
                format!("{kind} of {} on {place} since {}", session.user, session.since);
            Failure::new(Step::Sessions, FailureKind::SessionsOpen, message)
                .about(session.user.clone())
                .remedy("ask them to save and close, then retry")
                .retry(Retry::Later)
        })
        .collect();
    Kind::Present { failures, sessions, policy }
}

#[cfg(test)]
mod tests {
    use millwright_model::time::Timestamp;

    use super::*;

    fn designer(project: &str) -> OpenSession {
        OpenSession {
            kind: SessionKind::Designer,
            id: "d".to_owned(),
            user: "jdoe".to_owned(),
            project: project.to_owned(),
            since: Timestamp(0),
            address: String::new(),
        }
    }

    fn seen(designers: Seen) -> AllSeen {
        AllSeen { designers, perspective: Ok(vec![]), vision: Ok(vec![]) }
    }

    fn touched() -> BTreeSet<String> {
        BTreeSet::from(["line1".to_owned()])
    }

    fn gate(policy: &Sessions, seen: &AllSeen, waited: Span) -> &'static str {
        match decide(policy, seen, &touched(), waited) {
            Gate::Proceed { .. } => "proceed",
            Gate::Wait { .. } => "wait",
            Gate::Fail(_) => "fail",
        }
    }

    #[test]
    fn a_designer_counts_by_project_and_the_unknown_counts_as_present() {
        let mut policy = Sessions::default();
        let long = Span(600_001);
        let cases = [
            (Ok(vec![]), "proceed", "proceed"),
            (Ok(vec![designer("line1")]), "wait", "fail"),
            (Ok(vec![designer("line2")]), "proceed", "proceed"),
            (Ok(vec![designer("")]), "wait", "fail"),
            (Err("500".to_owned()), "wait", "fail"),
        ];
        for (designers, soon, late) in cases {
            let seen = seen(designers);
            assert_eq!(gate(&policy, &seen, Span(0)), soon, "{seen:?}");
            assert_eq!(gate(&policy, &seen, long), late, "{seen:?}");
        }
        policy.designer.on_timeout = OnTimeout::Proceed;
        assert_eq!(gate(&policy, &seen(Ok(vec![designer("line1")])), long), "proceed");
        policy.designer.policy = Presence::Fail;
        assert_eq!(gate(&policy, &seen(Ok(vec![designer("line1")])), Span(0)), "fail");
        policy.designer.scope = Scope::Gateway;
        assert_eq!(gate(&policy, &seen(Ok(vec![designer("line2")])), Span(0)), "fail");
        policy.designer.policy = Presence::Proceed;
        assert_eq!(gate(&policy, &seen(Err("x".to_owned())), Span(0)), "proceed");
    }

    #[test]
    fn running_sessions_are_named_and_matter_only_by_policy() {
        let session = OpenSession { kind: SessionKind::Perspective, ..designer("line1") };
        let mut all = seen(Ok(vec![]));
        all.perspective = Ok(vec![session.clone()]);
        let mut policy = Sessions::default();
        let expected = Gate::Proceed { sessions: vec![session], notices: vec![] };
        assert_eq!(decide(&policy, &all, &touched(), Span(0)), expected);
        policy.perspective.policy = Presence::Wait;
        assert_eq!(gate(&policy, &all, Span(0)), "wait");
        all.perspective = Err("404".to_owned());
        assert_eq!(gate(&policy, &all, Span(0)), "wait");
    }
}
