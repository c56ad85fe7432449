//! What a person gets who goes back to a commit: that commit's files, with that commit's values.

use std::sync::Arc;

use millwright_coordinator_domain::{
    command::{Body, GatewayAction, ResolveRelease},
    render::{RenderSpec, of_commit, running},
    rollout::wanted,
    state::Followed,
};
use millwright_model::{
    digest::{Digest, GitId},
    id::GatewayName,
    time::Timestamp,
};

use super::{Cluster, applied};

const STAMPED: &str = "{apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: p}, spec: {mappings: [{source: a, destination: projects/a}], normalize: [{set: {.version: '{{.ShortCommit}} of {{.Ref}}'}}]}}";

fn g1() -> GatewayName {
    "g1".parse().expect("a name")
}

/// Follows a commit; how the first gateway's files of it are made.
fn spec_for(cluster: &mut Cluster, commit: u8) -> Arc<RenderSpec> {
    cluster.accepted(Body::ResolveRelease(ResolveRelease {
        followed: Followed::own("plant".parse().expect("a name")),
        reference: "branch main".into(),
        commit: GitId([commit; 20]),
        author: "ann".into(),
        subject: "change".into(),
        committed_at: Timestamp(1),
    }));
    let request = wanted(&cluster.state).remove(0).expect("a plan");
    cluster.start(commit, false);
    let member = request.members.iter().find(|member| member.gateway == g1());
    Arc::clone(&member.expect("it is a member").render)
}

fn roll_back(cluster: &mut Cluster, commit: u8) -> Arc<RenderSpec> {
    let render = of_commit(&cluster.state, &g1(), GitId([commit; 20])).expect("a spec");
    let action = GatewayAction::RollbackToCommit {
        manifest: Digest::of(&[commit]),
        render: Arc::clone(&render),
        roots: Vec::new(),
    };
    cluster.accepted(Body::ActOnGateway { gateway: g1(), action });
    render
}

#[test]
fn a_rollback_to_a_commit_gives_the_values_of_that_commit() {
    let mut cluster = Cluster::new();
    cluster.put(STAMPED);
    let a = spec_for(&mut cluster, 0xaa);
    cluster.drive();
    cluster.report("g1", 1, applied(0xaa));
    let b = spec_for(&mut cluster, 0xbb);
    cluster.drive();
    cluster.report("g1", 2, applied(0xbb));
    assert_ne!(a.normalize, b.normalize, "the rule names the commit");
    assert_eq!(roll_back(&mut cluster, 0xaa), a);
    cluster.report("g1", 3, applied(0xaa));
    let has = running(&cluster.state, &g1()).unwrap().expect("it runs something");
    assert_eq!(has.candidates, [Arc::clone(&a)]);
    // What it runs is told although a new assignment waits.
    spec_for(&mut cluster, 0xcc);
    cluster.drive();
    let has = running(&cluster.state, &g1()).unwrap().expect("it runs something");
    assert_eq!(has.candidates, [a]);
    assert_eq!(roll_back(&mut cluster, 0xbb), b);
}

#[test]
fn a_commit_that_nobody_has_had_is_made_by_the_resources_as_they_are() {
    let mut cluster = Cluster::new();
    cluster.put(STAMPED);
    spec_for(&mut cluster, 0xaa);
    cluster.drive();
    cluster.report("g1", 1, applied(0xaa));
    let spec = roll_back(&mut cluster, 0xdd);
    assert_eq!(spec.commit, GitId([0xdd; 20]));
    let rule = serde_json::to_string(&spec.normalize).expect("JSON");
    assert!(rule.contains("dddddddd of commit dddddddd"), "{rule}");
}
