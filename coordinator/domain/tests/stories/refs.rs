//! Fleets that follow another ref of a repository than its own.

use millwright_coordinator_domain::{
    command::{Body, Outcome, ResolveRelease},
    rollout::wanted,
    state::Followed,
    view,
};
use millwright_model::{digest::GitId, resource::Kind, selector::Selector, time::Timestamp};
use serde_json::Value;

use super::Cluster;

const TAGGED: &str = "{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {name: all}, spec: {repository: plant, ref: {tag: v1}}}";
const OWN: &str = "{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {name: all}, spec: {repository: plant}}";

fn plant(other: Option<&str>) -> Followed {
    let repository = "plant".parse().expect("a name");
    Followed { repository, other: other.map(str::to_owned) }
}

fn resolved(followed: Followed, commit: u8) -> Body {
    Body::ResolveRelease(ResolveRelease {
        reference: followed.other.clone().unwrap_or_else(|| "branch main".to_owned()),
        followed,
        commit: GitId([commit; 20]),
        author: "ann".into(),
        subject: "change".into(),
        committed_at: Timestamp(1),
    })
}

/// Ref and commit of the rollouts that are wanted.
fn wishes(cluster: &Cluster) -> Vec<(String, u8)> {
    let wanted = wanted(&cluster.state).into_iter();
    wanted.map(|one| one.expect("a plan")).map(|one| (one.reference, one.commit.0[0])).collect()
}

fn shown(cluster: &Cluster, kind: Kind, name: &str) -> Value {
    let mut shown = view::list(&cluster.state, kind, Some(name), &Selector::default());
    shown.pop().expect("it is there").json["status"].take()
}

#[test]
fn only_its_own_ref_moves_a_fleet() {
    let mut cluster = Cluster::new();
    cluster.put(TAGGED);
    cluster.accepted(resolved(plant(None), 1));
    assert!(wishes(&cluster).is_empty(), "the repository's own ref is not this fleet's");
    cluster.accepted(resolved(plant(Some("tag v1")), 2));
    assert_eq!(wishes(&cluster), [("tag v1".to_owned(), 2)]);
    cluster.start(2, false);
    cluster.accepted(resolved(plant(None), 3));
    assert!(wishes(&cluster).is_empty());
    assert_eq!(shown(&cluster, Kind::Fleet, "all")["reference"], "tag v1");
    assert_eq!(shown(&cluster, Kind::Repository, "plant")["reference"], "branch main");
}

#[test]
fn a_ref_that_nobody_follows_is_forgotten() {
    let mut cluster = Cluster::new();
    cluster.put(TAGGED);
    cluster.accepted(resolved(plant(None), 1));
    cluster.accepted(resolved(plant(Some("tag v1")), 2));
    assert_eq!(cluster.state.releases().len(), 2);
    cluster.put(OWN);
    assert_eq!(cluster.state.releases().keys().collect::<Vec<_>>(), [&plant(None)]);
    assert_eq!(wishes(&cluster), [("branch main".to_owned(), 1)]);
    // What was asked of the remote before comes too late.
    let outcome = cluster.apply(resolved(plant(Some("tag v1")), 3));
    let Outcome::Rejected(rejection) = outcome else { panic!("it was taken") };
    assert_eq!(rejection.message(), "nothing follows plant@tag v1 any more");
}

#[test]
fn a_ref_that_is_gone_is_said_of_its_fleet() {
    let mut cluster = Cluster::new();
    cluster.put(TAGGED);
    cluster.accepted(resolved(plant(None), 1));
    let message = "the repository has no tag v1".to_owned();
    cluster.accepted(Body::ReleaseFailed { followed: plant(Some("tag v1")), message });
    let fleet = shown(&cluster, Kind::Fleet, "all");
    assert_eq!(fleet["reason"], "ResolveFailed");
    assert_eq!(fleet["message"], "the repository has no tag v1");
    assert_eq!(shown(&cluster, Kind::Repository, "plant")["state"], "Resolved");
    assert!(wishes(&cluster).is_empty());
}
