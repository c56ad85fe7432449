//! Compiles the `.proto` files with protox, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "millwright/common/v1/common.proto",
        "millwright/agent/v1/agent.proto",
        "millwright/agent/v1/stored.proto",
        "millwright/control/v1/control.proto",
        "millwright/peer/v1/peer.proto",
        "millwright/log/v1/log.proto",
    ];
    let root = std::path::Path::new("proto");
    let descriptors = protox::compile(files.iter().map(|f| root.join(f)), [root])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::SmallBuffers")
        .skip_debug(["millwright.agent.v1.Secret"])
        .bytes(".millwright.agent.v1.Chunk.data")
        .bytes(".millwright.log.v1.Entry.command")
        .bytes(".millwright.peer.v1.ForwardRequest")
        .bytes(".millwright.peer.v1.SnapshotChunk.data")
        .bytes(".millwright.peer.v1.ObjectsChunk.data")
        .compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}

fn prost_bytes(set: &impl prost::Message) -> Vec<u8> {
    set.encode_to_vec()
}
