//! The audit as the state keeps it: the newest entries, and both ends of the chain. An entry leaves
//! only after a coordinator has it in a file; when that never comes, at twice the bound, and then it
//! is counted.

use std::sync::Arc;

use millwright_model::audit::{Entry, Head};
use serde::{Deserialize, Serialize};

use super::Ring;

/// Entries kept once they are exported; twice as many if they are not.
pub const AUDIT_MAX: usize = 10_000;

/// Who did what, chained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Oldest first.
    entries: Ring<Arc<Entry>>,
    /// The end before the first that is kept.
    base: Head,
    /// The end of the chain, whatever is kept.
    head: Head,
    /// Up to here a coordinator has them in a file.
    exported: u64,
    /// Entries that went before that.
    dropped: u64,
}

impl Audit {
    /// Entries that are kept, oldest first.
    pub fn entries(&self) -> &Ring<Arc<Entry>> {
        &self.entries
    }

    /// Those after an index, oldest first.
    pub fn after(&self, index: u64) -> Vec<Arc<Entry>> {
        let count = usize::try_from(self.head.index.saturating_sub(index)).unwrap_or(usize::MAX);
        let mut newest: Vec<_> = self.entries.newest().take(count).cloned().collect();
        newest.reverse();
        newest
    }

    /// The end before the first entry that is kept: from here they can be verified.
    pub fn base(&self) -> Head {
        self.base
    }

    /// The end of the chain.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Up to which index a coordinator has written them down.
    pub fn exported(&self) -> u64 {
        self.exported
    }

    /// How many were dropped before anybody had written them down.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, cluster: &str, entry: Entry) {
        if self.head.index == 0 {
            self.head = Head::genesis(cluster);
            self.base = self.head;
        }
        self.entries.push(Arc::new(self.head.seal(entry)), usize::MAX);
        self.trim(AUDIT_MAX);
    }

    /// A coordinator has them in a file, up to this one.
    pub(crate) fn note_exported(&mut self, up_to: u64) {
        self.exported = self.exported.max(up_to.min(self.head.index));
        self.trim(AUDIT_MAX);
    }

    fn trim(&mut self, max: usize) {
        while self.entries.len() > max {
            let is_exported = self.entries.front().is_some_and(|one| one.index <= self.exported);
            if !is_exported && self.entries.len() <= 2 * max {
                return;
            }
            let Some(gone) = self.entries.pop_front() else { return };
            self.base = Head { index: gone.index, hash: gone.hash };
            self.dropped += u64::from(!is_exported);
        }
    }
}

#[cfg(test)]
mod tests {
    use millwright_model::{
        audit::{Outcome, verify},
        digest::Digest,
        time::Timestamp,
    };

    use super::*;

    fn entry(n: u64) -> Entry {
        Entry {
            format: 0,
            index: 0,
            log_index: n,
            at: Timestamp(n),
            who: "ann".to_owned(),
            from: String::new(),
            what: "apply".to_owned(),
            kind: "Fleet".to_owned(),
            name: "plants".to_owned(),
            why: String::new(),
            before: String::new(),
            after: String::new(),
            fields: Vec::new(),
            outcome: Outcome::Accepted,
            message: String::new(),
            hash: Digest::default(),
        }
    }

    /// As [`Audit::push`], with another bound.
    fn push(audit: &mut Audit, max: usize) {
        if audit.head.index == 0 {
            audit.head = Head::genesis("c1");
            audit.base = audit.head;
        }
        let sealed = audit.head.seal(entry(audit.head.index));
        audit.entries.push(Arc::new(sealed), usize::MAX);
        audit.trim(max);
    }

    fn holds(audit: &Audit) -> bool {
        let entries = audit.entries.iter().map(Arc::as_ref);
        verify(audit.base, entries) == Ok(audit.head)
    }

    #[test]
    fn what_is_exported_leaves_and_the_chain_holds_on() {
        let mut audit = Audit::default();
        for _ in 0..250 {
            push(&mut audit, 200);
        }
        assert_eq!((audit.entries.len(), audit.base.index, audit.dropped), (250, 0, 0));
        audit.exported = 20;
        audit.trim(200);
        assert_eq!((audit.entries.len(), audit.base.index), (230, 20), "no more than is exported");
        audit.exported = 250;
        audit.trim(200);
        assert_eq!((audit.entries.len(), audit.base.index, audit.dropped), (200, 50, 0));
        assert!(holds(&audit));
        assert_eq!(audit.after(248).iter().map(|one| one.index).collect::<Vec<_>>(), [249, 250]);
        assert_eq!(audit.after(3).len(), 200);
        assert!(audit.after(999).is_empty());
    }

    #[test]
    fn without_an_export_the_oldest_go_at_twice_the_bound_and_are_counted() {
        let mut audit = Audit::default();
        for _ in 0..450 {
            push(&mut audit, 200);
        }
        assert_eq!((audit.entries.len(), audit.base.index, audit.dropped), (400, 50, 50));
        assert!(holds(&audit));
    }

    #[test]
    fn nobody_exports_what_is_not_there_yet_and_nothing_is_taken_back() {
        let mut audit = Audit::default();
        (0..3).for_each(|_| push(&mut audit, 200));
        audit.note_exported(9);
        assert_eq!(audit.exported(), 3);
        audit.note_exported(1);
        assert_eq!(audit.exported(), 3);
    }

    #[test]
    fn a_restored_one_goes_on_like_the_original() {
        let mut audit = Audit::default();
        (0..70).for_each(|_| push(&mut audit, 30));
        let json = serde_json::to_string(&audit).unwrap();
        let mut back: Audit = serde_json::from_str(&json).unwrap();
        assert_eq!(audit, back);
        push(&mut audit, 30);
        push(&mut back, 30);
        assert_eq!(audit, back);
        assert_eq!(serde_json::to_string(&audit).unwrap(), serde_json::to_string(&back).unwrap());
    }
}
