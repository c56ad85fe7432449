//! Any text as a template: it is read or refused with a place inside it, and what it passes on as its
//! own is its own.

use std::collections::BTreeMap;

use millwright_model::template::{Template, Vars};

pub(crate) fn run(text: &str) {
    let values = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let vars = Vars::new("gw", "north", &values, values.clone());
    match Template::parse(text) {
        Err(error) => assert!(error.position.offset <= text.len()),
        Ok(template) => match template.render_mapped(&vars) {
            Err(error) => assert!(error.position.offset <= text.len()),
            Ok((result, literals)) => {
                for literal in literals {
                    let (from, to) = (literal.template, literal.result);
                    assert_eq!(&text[from..from + literal.len], &result[to..to + literal.len]);
                }
            }
        },
    }
}
