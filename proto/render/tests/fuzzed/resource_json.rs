//! Any text as a `resource.json`: what can be stamped verifies.

use std::borrow::Cow;

use millwright_render::{
    resource_json::{ResourceJson, restamp},
    signature::{Form, Verdict, verify},
};

pub(crate) fn run(text: &str) {
    let payload = |name: &str| Some(Cow::Owned(name.as_bytes().to_vec()));
    for form in [Form::V81, Form::V83] {
        let Ok(stamped) = restamp(text, 1_767_323_045, form, &payload) else { continue };
        let resource = ResourceJson::parse(&stamped).expect("a stamp leaves a resource.json");
        assert!(matches!(verify(&resource, &payload), Verdict::Valid(_)));
    }
}
