//! Paths that cannot be together on one platform or another: names that differ in case or Unicode form,
//! of files as of folders, and a file where a folder has to be.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::path::ManagedPath;

use super::{Report, Rule};

/// Looks at paths with their files in the repository, sorted by path.
pub(super) fn collisions<'p>(
    files: impl Iterator<Item = (&'p ManagedPath, &'p str)>,
    report: &mut Report,
) {
    // What each place is called, and whether it is a file.
    let mut seen: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for (path, origin) in files {
        let text = path.as_str();
        let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
        for end in ends {
            let (here, file) = (&text[..end], end == text.len());
            let Ok(place) = ManagedPath::parse(here) else { break };
            let (known, was_file) = *seen.entry(place.case_key()).or_insert((here, file));
            let message = if known != here {
                format!("{known} and {here} differ only in case or Unicode form")
            } else if was_file != file {
                format!("{known} is a file, but {path} lies below it")
            } else {
                continue;
            };
            // What is below would say the same again.
            if said.insert((known, here)) {
                report.add(Rule::Collision, origin, None, message);
            }
            break;
        }
    }
}
