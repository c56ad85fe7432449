//! Every `resource.json`: whether its signature fits its files, and in which form.

use std::{borrow::Cow, collections::BTreeMap};

use millwright_render::{
    json_edit::Document,
    resource_json::{RESOURCE_JSON, ResourceJson, restamp},
    signature::{Form, Verdict, verify},
};

use super::data;

#[test]
fn intact_resources_verify() {
    for name in data::ALL {
        let Some(set) = data::unpack(name) else { continue };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut total = 0;
        for (path, file) in set.files() {
            if file.file_name().is_none_or(|name| name != RESOURCE_JSON) {
                continue;
            }
            total += 1;
            let text = std::fs::read_to_string(&file).expect("the file is readable");
            let resource = ResourceJson::parse(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
            let dir = file.parent().expect("a file has a folder").to_owned();
            let payload = move |name: &str| std::fs::read(dir.join(name)).ok().map(Cow::Owned);
            let verdict = verify(&resource, &payload);
            *counts.entry(format!("{verdict:?}")).or_default() += 1;
            if let Verdict::Valid(form) = verdict {
                // What we would write after a change is valid too, in the same form.
                let stamped =
                    restamp(&text, 1_764_000_000, form, &payload).expect("it can be stamped");
                assert!(Document::parse(&stamped).is_ok());
                let again = ResourceJson::parse(&stamped).expect("it is a resource.json");
                let found = verify(&again, &payload);
                assert_eq!(found, Verdict::Valid(form), "{path}");
            }
        }
        println!("{name}: {total} resources {counts:?}");
        let valid = |form: Form| counts.get(&format!("{:?}", Verdict::Valid(form))).copied();
        match name {
            "HMS.bundle" => assert_eq!(valid(Form::V81), Some(5197)),
            "MobileHMS.bundle" => assert_eq!(valid(Form::V81), Some(total)),
            "plant-config.tar.gz" => assert_eq!(valid(Form::V83), Some(64)),
            _ => assert!(!counts.contains_key("Stale")),
        }
    }
}
