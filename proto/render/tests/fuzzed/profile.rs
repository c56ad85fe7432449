//! Any text as resources, filled and compiled for a gateway.

use millwright_model::{
    id::Member,
    resource::{Resource, Strings, parse_documents},
    template::Release,
};
use millwright_render::{
    normalize::{Programs, Rules},
    spec::{Inputs, ParsedProfile, render_spec},
};

pub(crate) fn run(text: &str) {
    let Ok(resources) = parse_documents(text, "fuzz.yaml") else { return };
    let gateway = br#"{"kind":"Gateway","apiVersion":"millwright.dev/v1",
        "metadata":{"name":"gw"},"spec":{"site":"a","profile":"p"}}"#;
    let Ok(Resource::Gateway(gateway)) = Resource::from_json(gateway) else { unreachable!() };
    for resource in resources {
        let json = resource.to_canonical_json();
        assert_eq!(Resource::from_json(&json).as_ref(), Ok(&resource));
        let Resource::SyncProfile(profile) = resource else { continue };
        let inputs = Inputs {
            gateway: &gateway,
            profile: &ParsedProfile::new(&profile, &[]),
            fleet_vars: &Strings::new(),
            repository: &profile.metadata.name,
            release: &Release::default(),
            member: Member::Single,
        };
        if let Ok(spec) = render_spec(&inputs) {
            drop(Rules::compile(&spec.normalize, &mut Programs::default()));
        }
    }
}
