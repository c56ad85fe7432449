//! A coordinator whose way to the git remote is cut takes a commit's files from another one, and serves
//! agents all the same.

use std::collections::BTreeMap;

use millwright_certs::store::CredentialStore;
use millwright_proto::{
    agent::{
        AgentMessage, FetchRequest, GetManifestRequest, Hello, agent_message,
        agent_service_client::AgentServiceClient, coordinator_message,
    },
    common::Assignment,
};
use playground::{
    cluster::Cluster, gitserver::GitServer, process::build_programs, repository::Repository,
    wait::PATIENCE,
};
use serde_json::json;
use tonic::Code;

use crate::client::{self, wait_for};

fn resources(url: &str) -> Vec<serde_json::Value> {
    let head = |kind: &str, name: &str| json!({"apiVersion": "millwright.dev/v1", "kind": kind, "metadata": {"name": name}});
    let with = |mut value: serde_json::Value, spec: serde_json::Value| {
        value["spec"] = spec;
        value
    };
    vec![
        with(
            head("Repository", "plant"),
            json!({"url": url, "ref": {"branch": "main"}, "poll": "1s", "jitter": "100ms"}),
        ),
        with(
            head("SyncProfile", "area"),
            json!({"mappings": [{"source": "projects/shared", "destination": "projects/shared"},
                {"source": "projects/site-1", "destination": "projects/site-1"}]}),
        ),
        with(head("Gateway", "gw1"), json!({"site": "north", "profile": "area"})),
        with(head("Fleet", "plants"), json!({"repository": "plant", "stages": [{"name": "all"}]})),
    ]
}

/// The assignment of the agent, as a stream at a node tells it.
async fn assignment(address: &str, agent: &CredentialStore) -> anyhow::Result<Assignment> {
    wait_for("an assignment", async || {
        let hello = Hello { version: "test".to_owned(), ..Hello::default() };
        let message = AgentMessage { message: Some(agent_message::Message::Hello(hello)) };
        // The stream stays open on our side until an answer is there.
        let (tx, rx) = tokio::sync::mpsc::channel(1);
        tx.send(message).await?;
        let mut client = AgentServiceClient::new(client::channel_as(address, agent));
        let outbound = tokio_stream::wrappers::ReceiverStream::new(rx);
        let mut inbound = client.connect(outbound).await?.into_inner();
        let told = async {
            while let Some(message) = inbound.message().await? {
                if let Some(coordinator_message::Message::Assignment(found)) = message.message {
                    return anyhow::Ok(Some(found));
                }
            }
            Ok(None)
        };
        tokio::time::timeout(PATIENCE, told).await?
    })
    .await
}

/// Every file of the assignment by path, fetched from one node.
async fn files(
    address: &str,
    agent: &CredentialStore,
    manifest: &[u8],
) -> Result<BTreeMap<String, Vec<u8>>, tonic::Status> {
    let mut client = AgentServiceClient::new(client::channel_as(address, agent))
        .max_decoding_message_size(16 << 20);
    let request = GetManifestRequest { digest: manifest.to_vec(), ..GetManifestRequest::default() };
    let mut parts = client.get_manifest(request).await?.into_inner();
    let mut paths: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    while let Some(part) = parts.message().await? {
        for file in part.files {
            paths.entry(file.digest).or_default().push(file.path);
        }
    }
    let digests = paths.keys().cloned().collect();
    let mut batches = client.fetch(FetchRequest { digests }).await?.into_inner();
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while let Some(batch) = batches.message().await? {
        for chunk in batch.chunks {
            let data = match chunk.compressed {
                true => zstd::stream::decode_all(chunk.data.as_ref())?,
                false => chunk.data.to_vec(),
            };
            for path in &paths[&chunk.digest] {
                found.entry(path.clone()).or_default().extend_from_slice(&data);
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cut_off_from_git_takes_the_files_from_a_peer() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let git = dir.path().join("git");
    std::fs::create_dir_all(&git)?;
    let repository = Repository::create(&git, "plant").await?;
    repository.generate(1)?;
    let commit = repository.commit("First version").await?;
    let server = GitServer::start(&git).await?;
    let mut cluster = Cluster::start(dir.path(), 3).await?;
    let operator = client::operator(&cluster)?;
    let leader = cluster.leader().await?.name.clone();
    let mut control = client::control(&cluster.nodes[0].api, &operator);
    let token = client::token(&mut control, "agent", "gw1", 0).await?;
    let agent = client::enrol(&cluster.nodes[0].api, &token, "gw1").await?;
    client::apply_all(&mut control, &resources(&server.url("plant"))).await?;
    // The leader has fetched and rendered; nobody else has had a reason to.
    let told = assignment(&cluster.nodes[0].api, &agent).await?;
    assert_eq!(told.commit, commit);
    assert_eq!(cluster.leader().await?.name, leader, "the leader changed on the way");

    drop(server);
    for node in &cluster.nodes {
        let found = files(&node.api, &agent, &told.manifest).await?;
        assert!(found.len() > 20, "{}: {} files", node.name, found.len());
        for (path, content) in &found {
            let file = format!("{commit}:{path}");
            let shown = std::process::Command::new("git")
                .args(["--git-dir", &repository.bare.display().to_string(), "show", &file])
                .output()?;
            assert!(shown.status.success() && shown.stdout == *content, "{}: {path}", node.name);
        }
        let log = std::fs::read_to_string(node.dir.join("log.txt"))?;
        let took = log.contains("took a commit's files from another coordinator");
        assert_eq!(took, node.name != leader, "{}:\n{log}", node.name);
    }

    // Nobody has it: the error says where it was looked for.
    for node in &mut cluster.nodes {
        node.kill().await?;
    }
    for node in &mut cluster.nodes {
        std::fs::remove_dir_all(node.dir.join("content"))?;
        node.start()?;
    }
    for node in &cluster.nodes {
        node.ready().await?;
    }
    let missing = files(&cluster.nodes[1].api, &agent, &told.manifest).await;
    let missing = missing.expect_err("no node and no remote has it");
    assert_eq!(missing.code(), Code::Unavailable);
    let message = missing.message();
    assert!(
        message.starts_with(&format!("commit {commit} is not here: the remote: ")),
        "{message}"
    );
    assert!(message.contains("the other coordinators: "), "{message}");
    assert!(message.contains(&format!("does not have commit {}", &commit[..8])), "{message}");
    Ok(())
}
