//! What is tried again, and what a try that was replaced is worth.

use millwright_coordinator_domain::{
    assignment::assignment_of,
    command::{Body, GatewayAction},
};
use millwright_model::id::{GatewayName, Member};

use super::{Cluster, applied, failed};

#[test]
fn a_repair_takes_no_number_from_a_retry() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, applied(1));
    let g1: GatewayName = "g1".parse().expect("a name");
    // The agent has put drift back while somebody retries: each is told of.
    cluster.accepted(Body::ActOnGateway { gateway: g1.clone(), action: GatewayAction::Retry });
    cluster.report_try("g1", (1, 1, 1), applied(1));
    cluster.report_try("g1", (1, 1, 1), applied(1));
    let assignment = assignment_of(&cluster.state, &g1, Member::Single).expect("an assignment");
    assert_eq!((assignment.attempt, assignment.repair), (2, 0));
    cluster.report_try("g1", (1, 2, 0), applied(1));
    let status = cluster.state.gateway_status(&g1).expect("a status");
    let tries: Vec<(u32, u32)> = status.history.iter().map(|a| (a.attempt, a.repair)).collect();
    assert_eq!(tries, [(1, 0), (1, 1), (2, 0)]);
}

#[test]
fn a_try_that_was_replaced_moves_no_rollout() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    let gateway = "g1".parse().expect("a name");
    cluster.accepted(Body::ActOnGateway { gateway, action: GatewayAction::Sync });
    cluster.report_try("g1", (1, 1, 0), failed());
    cluster.drive();
    assert_eq!(cluster.phase("all-1"), "Running");
    cluster.report_try("g1", (1, 2, 0), applied(1));
    assert_eq!(cluster.drive(), ["g2", "g3"]);
}
