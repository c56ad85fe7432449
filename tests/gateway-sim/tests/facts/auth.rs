//! Tokens and rights.

use serde_json::json;

use crate::support::Rig;

const INFO: &str = "/data/api/v1/gateway-info";

#[tokio::test]
async fn the_token_is_name_and_key_and_basic_never_works() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 200);
    let whole = rig.token.clone();
    let (name, key) = whole.split_once(':').expect("two parts");
    for token in [key, name, "", &format!("other:{key}"), &format!("{name}:{key}x")] {
        token.clone_into(&mut rig.token);
        let (status, kind, body) = rig.ask("GET", INFO, "").await?;
        assert_eq!((status, kind.as_str()), (401, "text/html;charset=iso-8859-1"), "{token}");
        let expected = "<body><h2>HTTP ERROR 401 Unauthorized</h2>\n<table>\n\
             <tr><th>URI:</th><td>/data/api/v1/gateway-info</td></tr>\n";
        assert!(body.contains(expected), "{body}");
    }
    let url = format!("{}{INFO}", rig.sim.url());
    let basic = rig.client.get(url).basic_auth("admin", Some("password")).send().await?;
    assert_eq!(basic.status(), 401);
    assert_eq!(rig.sim.counters().unauthorized, 6);
    Ok(())
}

#[tokio::test]
async fn a_token_for_https_is_refused_over_http() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    let made =
        rig.run(json!({"do": "token", "name": "s", "level": "Deploy", "secureOnly": true})).await?;
    made["token"].as_str().expect("a token").clone_into(&mut rig.token);
    let (status, _, body) = rig.ask("GET", INFO, "").await?;
    assert_eq!(status, 403);
    assert!(body.contains("HTTP ERROR 403 Forbidden"));
    Ok(())
}

#[tokio::test]
async fn a_token_that_reads_may_not_scan() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    let made = rig.run(json!({"do": "token", "name": "v", "level": "Viewer"})).await?;
    made["token"].as_str().expect("a token").clone_into(&mut rig.token);
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 200);
    for path in ["/data/api/v1/scan/projects", "/data/api/v1/scan-lock/config"] {
        assert_eq!(rig.ask("GET", path, "").await?.0 / 100, 2);
        assert_eq!(rig.ask("POST", path, "{}").await?.0, 403);
    }
    assert!(rig.sim.scans().is_empty());
    assert_eq!(rig.sim.counters().forbidden, 2);
    rig.run(json!({"do": "revokeToken", "name": "v"})).await?;
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn a_token_in_files_counts_after_a_restart() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    let key = "p3wRdNxufWgMbovC14yPkr9o_GKJlno-K7c99LKexSo";
    let folder = "config/resources/external/ignition/api-token/minted";
    let config = json!({
        "profile": {"type": "basic-token", "secureChannelRequired": false, "securityLevels":
            [{"name": "Authenticated", "children": [{"name": "Deploy", "children": []}]}]},
        "settings": {"tokenHash": "c4cNxcsHexJ5mlGPoinRgppto_nEj8mSnacF-ppNCjM"},
    });
    rig.put(&format!("{folder}/config.json"), config.to_string())?;
    let meta = json!({"scope": "A", "files": ["config.json"], "attributes": {"enabled": true}});
    rig.put(&format!("{folder}/resource.json"), meta.to_string())?;
    rig.scan(gateway_sim::Kind::Config).await?;
    rig.token = format!("minted:{key}");
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 401);
    rig.run(json!({"do": "down"})).await?;
    rig.run(json!({"do": "up"})).await?;
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 200);
    Ok(())
}
