//! Operators enrol with a token, renew by proof of key, and are gone when their resource is deleted.

use millwright_proto::control::{ApplyRequest, DeleteRequest, GetRequest, Resource};
use playground::{cluster::Cluster, process::build_programs};
use serde_json::{Value, json};
use tonic::Code;

use crate::client;

fn operator(name: &str, role: &str) -> Value {
    json!({"apiVersion": "millwright.dev/v1", "kind": "Operator", "metadata": {"name": name},
        "spec": {"role": role}})
}

fn delete(kind: &str, name: &str) -> DeleteRequest {
    DeleteRequest { kind: kind.to_owned(), name: name.to_owned(), reason: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_enrols_with_a_token_and_renews_until_deleted() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start(dir.path(), 2).await?;
    let (first, second) = (&cluster.nodes[0].api, &cluster.nodes[1].api);
    let mut admin = client::control(first, &client::operator(&cluster)?);

    let early =
        client::token(&mut admin, "operator", "bob", 0).await.expect_err("no such operator");
    assert_eq!(early.code(), Code::NotFound);
    assert_eq!(early.message(), "operator bob does not exist: apply it first");
    client::apply(&mut admin, &operator("bob", "viewer")).await?;
    let token = client::token(&mut admin, "operator", "bob", 0).await?;
    let told = client::enrol(second, &token, "ann").await.expect_err("another name");
    assert_eq!(told.message(), "the join token is for bob, not ann");
    // At another node than the one that made the token.
    let bob = client::enrol(second, &token, "bob").await?;
    assert_eq!(
        bob.identity().to_string(),
        format!("spiffe://{}/operator/bob", bob.cluster()),
        "the token decides who it is"
    );
    let again = client::enrol(first, &token, "bob").await.expect_err("used");
    assert_eq!(again.message(), "the join token has been used");

    let mut control = client::control(first, &bob);
    let get = GetRequest { kind: "Operator".to_owned(), ..GetRequest::default() };
    assert_eq!(control.get(get.clone()).await?.into_inner().resources.len(), 2);
    let denied = control.delete(delete("Operator", "admin")).await.expect_err("a viewer");
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = client::token(&mut control, "operator", "bob", 0).await.expect_err("a viewer");
    assert_eq!(denied.code(), Code::PermissionDenied);
    let up = |kind: &str| ApplyRequest {
        resources: vec![Resource {
            kind: kind.to_owned(),
            name: "bob".to_owned(),
            json: operator("bob", "admin").to_string().into_bytes(),
            version: 0,
        }],
        ..ApplyRequest::default()
    };
    let denied = control.apply(up("Operator")).await.expect_err("nobody raises himself");
    assert_eq!(denied.code(), Code::PermissionDenied);
    // Who may change gateways raises himself no more, whatever he calls it.
    client::apply(&mut admin, &operator("bob", "operator")).await?;
    let denied = control.apply(up("Gateway")).await.expect_err("an operator is no gateway");
    assert_eq!(denied.message(), "Operator that is sent as \"Gateway\"");
    let denied = control.delete(delete("Operator", "admin")).await.expect_err("an operator");
    assert_eq!(denied.code(), Code::PermissionDenied);

    let old = bob.cert_pem();
    client::renew(second, &bob).await?;
    assert_ne!(bob.cert_pem(), old);
    assert_eq!(
        client::control(second, &bob).get(get.clone()).await?.into_inner().resources.len(),
        2
    );

    admin.delete(delete("Operator", "bob")).await?;
    let gone = control.get(get).await.expect_err("deleted");
    assert_eq!(gone.code(), Code::PermissionDenied);
    assert_eq!(gone.message(), "operator bob does not exist");
    let gone = client::renew(first, &bob).await.expect_err("deleted");
    assert_eq!(gone.code(), Code::PermissionDenied);
    assert!(client::hint(&gone).contains("millctl token create"), "{gone:?}");
    Ok(())
}
