//! What was refused before it came into the log.

/// See [`super::Body::NoteRefusal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteRefusal {
    /// The verb.
    pub what: String,
    /// On which kind of thing.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Why not.
    pub message: String,
}

/// Named at most.
const NAMED_MAX: usize = 3;

/// Kind and name of what a set of resources is called in the audit: the only one, or the first ones.
pub fn subject_of(resources: &[(String, String)]) -> (String, String) {
    if let [(kind, name)] = resources {
        return (kind.clone(), name.clone());
    }
    let first = resources.iter().take(NAMED_MAX).map(|(kind, name)| format!("{kind}/{name}"));
    let mut text = first.collect::<Vec<_>>().join(", ");
    if resources.len() > NAMED_MAX {
        text.push_str(&format!(" and {} more", resources.len() - NAMED_MAX));
    }
    ("Resources".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_called_by_its_first_ones() {
        let all: Vec<_> = (0..5).map(|n| ("Gateway".to_owned(), format!("g{n}"))).collect();
        let named = |count: usize| subject_of(&all[..count]).1;
        assert_eq!(subject_of(&all[..1]), all[0]);
        assert_eq!(named(2), "Gateway/g0, Gateway/g1");
        assert_eq!(named(5), "Gateway/g0, Gateway/g1, Gateway/g2 and 2 more");
    }
}
