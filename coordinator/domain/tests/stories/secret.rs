//! Credentials: sealed before they come here, given to those alone whose policies name them.

use millwright_coordinator_domain::{
    State,
    command::{Body, Outcome},
    view,
};
use millwright_model::{
    id::{GatewayName, Member},
    resource::{Kind, Resource, parse_documents},
    selector::Selector,
};

use super::Cluster;

const PROFILE: &str = "{apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: p}, spec: {mappings: [{source: a, destination: projects/a}], snapshots: {remote: {kind: s3, bucket: b, secretRef: store}}}}";

fn secret(value: &str) -> Vec<Resource> {
    let text = format!(
        "{{apiVersion: millwright.dev/v1, kind: Secret, metadata: {{name: store}}, spec: {{data: {{AWS_ACCESS_KEY_ID: \"{value}\"}}}}}}"
    );
    parse_documents(&text, "secret.yaml").expect("a valid secret")
}

fn put(cluster: &mut Cluster, resources: Vec<Resource>) -> Outcome {
    cluster.apply(Body::PutResources { resources })
}

fn refused(outcome: &Outcome, why: &str) {
    let Outcome::Rejected(rejection) = outcome else { panic!("taken, but: {why}") };
    assert!(rejection.message().contains(why), "{}", rejection.message());
}

#[test]
fn a_secret_is_taken_sealed_and_kept_while_it_is_named() {
    let mut cluster = Cluster::new();
    let profile = || parse_documents(PROFILE, "profile.yaml").expect("a valid profile");
    refused(&put(&mut cluster, profile()), "names the secret store, which does not exist");
    refused(&put(&mut cluster, secret("plain")), "the value of AWS_ACCESS_KEY_ID is not sealed");
    cluster.accepted(Body::PutResources { resources: secret("sealed:v1:00ff") });
    cluster.accepted(Body::PutResources { resources: profile() });
    let gone = cluster.apply(Body::DeleteResource { kind: Kind::Secret, name: "store".into() });
    refused(&gone, "names the secret store");

    let seen = view::list(&cluster.state, Kind::Secret, None, &Selector::default());
    assert_eq!(seen[0].json["spec"].to_string(), r#"{"keys":["AWS_ACCESS_KEY_ID"]}"#);
    assert!(!seen[0].json.to_string().contains("sealed"), "its keys alone are shown");
}

#[test]
fn it_goes_to_the_agents_that_store_snapshots() {
    let mut cluster = Cluster::new();
    cluster.accepted(Body::PutResources { resources: secret("sealed:v1:00") });
    let g1: GatewayName = "g1".parse().expect("a name");
    assert!(cluster.state.secret_for(&g1, Member::Single).is_none(), "nothing names it");
    let resources = parse_documents(PROFILE, "profile.yaml").expect("a valid profile");
    cluster.accepted(Body::PutResources { resources });
    let version = |state: &State, member| state.secret_for(&g1, member).map(|s| s.version);
    let before = version(&cluster.state, Member::Master).expect("it is for the master");
    assert_eq!(version(&cluster.state, Member::Backup), None);

    // A change reaches agents that are connected.
    let body = Body::PutResources { resources: secret("sealed:v1:01") };
    let (outcome, touched) = cluster.applied(body);
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    assert_eq!(touched.gateways.len(), 4, "all gateways of the profile");
    assert!(version(&cluster.state, Member::Single) > Some(before));
    let (_, touched) = cluster.applied(Body::PutResources { resources: secret("sealed:v1:01") });
    assert!(touched.gateways.is_empty(), "nothing has changed");
}
