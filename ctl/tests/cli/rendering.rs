//! What a gateway gets, and what sets two sides apart: pictures, data, exit codes.

use insta::assert_snapshot;
use millwright_model::digest::Digest;
use millwright_proto::control::{DiffFile, DiffPart, RenderPart, RenderPiece, SideInfo};

use crate::{canned, fake::Fake};

fn side(gateway: &str, standing: &str) -> SideInfo {
    SideInfo {
        gateway: gateway.to_owned(),
        reference: "branch main".to_owned(),
        commit: "4bf57a65c0a1b2d3e4f5061728394a5b6c7d8e9f".to_owned(),
        manifest: "751a9f0c88431234".to_owned(),
        files: 412,
        bytes: 8_812_120,
        standing: standing.to_owned(),
        notes: Vec::new(),
    }
}

fn file(path: &str, old: &str, new: &str) -> DiffFile {
    let change = match (old, new) {
        ("", _) => "added",
        (_, "") => "removed",
        _ => "changed",
    };
    let mode = |text: &str| if text.is_empty() { 0 } else { 0o644 };
    DiffFile {
        path: path.to_owned(),
        change: change.to_owned(),
        old_size: old.len() as u64,
        new_size: new.len() as u64,
        old_mode: mode(old),
        new_mode: mode(new),
        old: old.as_bytes().to_vec(),
        new: new.as_bytes().to_vec(),
        ..DiffFile::default()
    }
}

fn config(name: &str, password: &str) -> String {
    format!(
        "{{\n  \"systemName\": \"{name}\",\n  \"port\": 8088,\n  \"password\": \"{password}\"\n}}"
    )
}

/// A company in which line1 and line2 differ.
async fn differing() -> Fake {
    let fake = Fake::start(canned::company()).await;
    let mut secret = file(
        "projects/packing/config.json",
        &config("Line-2", "***"),
        &config("Line-1", "*** (changed)"),
    );
    secret.masked = vec![".password".to_owned()];
    let image = DiffFile {
        omitted: "it is no text".to_owned(),
        ..file("projects/packing/thumbnail.png", "old image", "new image")
    };
    let mut script = file("projects/packing/run.sh", "echo\n", "echo\n");
    script.new_mode = 0o755;
    fake.change(|world| {
        world.diff = vec![
            DiffPart {
                base: Some(side("line2", "release")),
                target: Some(side("line1", "release")),
                files: Vec::new(),
            },
            DiffPart { files: vec![secret, image], ..DiffPart::default() },
            DiffPart {
                files: vec![
                    script,
                    file("projects/packing/new.json", "", "{}\n"),
                    file("projects/packing/old.json", "{\n}\n", ""),
                ],
                ..DiffPart::default()
            },
        ];
    });
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_a_unified_diff_and_exit_code_1() {
    let fake = differing().await;
    let ran = fake.run(&["diff", "line1", "--against-gateway", "line2"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_snapshot!("diff", ran.all());
    let ran = fake.run(&["diff", "line1", "--against-gateway", "line2", "--stat"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_snapshot!("diff-stat", ran.all());
    assert!(fake.asked().contains(&"diff line2@ line1@ paths=[]".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_every_file_and_the_counts() {
    let fake = differing().await;
    let ran = fake.run(&["diff", "line1", "--ref", "fix", "-o", "json"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_snapshot!("diff-json", ran.out);
    let ran = fake.run(&["diff", "line1", "-o", "name"]).await;
    assert_eq!(ran.out.lines().count(), 5, "{}", ran.all());
    assert_eq!(ran.out.lines().next(), Some("projects/packing/config.json"));
    let asked = fake.asked();
    assert!(asked.contains(&"diff line1@running line1@fix paths=[]".to_owned()), "{asked:?}");
    let ran = fake
        .run(&["diff", "line1", "--from", "v1", "--ref", "v2", "--path", "a", "--path", "b"])
        .await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    let asked = fake.asked();
    let wanted = "diff line1@v1 line1@v2 paths=[\"a\", \"b\"]".to_owned();
    assert!(asked.contains(&wanted), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_differs_is_0_and_an_error_is_never_1() {
    let fake = Fake::start(canned::company()).await;
    fake.change(|world| {
        let (base, target) = (Some(side("line1", "running")), Some(side("line1", "release")));
        world.diff = vec![DiffPart { base, target, files: Vec::new() }];
    });
    let ran = fake.run(&["diff", "line1"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.all());
    assert!(ran.err.contains("no file differs"), "{}", ran.all());
    // A coordinator that says nothing is an error of no kind in particular.
    fake.change(|world| world.diff.clear());
    let ran = fake.run(&["diff", "line1"]).await;
    assert_eq!(ran.code, 2, "{}", ran.all());
    let ran = fake.run(&["diff", "lien1"]).await;
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.err.contains("did you mean \"line1\"?"), "{}", ran.all());
    let ran = fake.run(&["diff", "line1", "--from", "a", "--against-gateway", "line2"]).await;
    assert_eq!(ran.code, 2, "{}", ran.all());
}

fn pieces(path: &str, content: &[u8], cut: usize) -> Vec<RenderPiece> {
    let piece = |from: usize, to: usize| RenderPiece {
        path: path.to_owned(),
        mode: 0o644,
        size: content.len() as u64,
        digest: Digest::of(content).0.to_vec(),
        offset: from as u64,
        data: content[from..to].to_vec(),
        last: to == content.len(),
    };
    vec![piece(0, cut), piece(cut, content.len())]
}

/// No text, and no newline at its end.
const CONTENT: &[u8] = b"{\"a\": 1.0E10}\xff\x00";

async fn rendering(cut: usize) -> Fake {
    let fake = Fake::start(canned::company()).await;
    fake.change(|world| {
        let of = Some(side("line1", "release"));
        let mut all = pieces("projects/a/config.json", CONTENT, cut);
        if cut == 0 {
            all.remove(0);
        }
        world.render =
            vec![RenderPart { of, pieces: Vec::new() }, RenderPart { of: None, pieces: all }];
    });
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_and_one_is_printed_as_it_is() {
    let fake = rendering(0).await;
    let ran = fake.run(&["render", "line1"]).await;
    assert_snapshot!("render", ran.all());
    let data = fake.run(&["render", "line1", "--ref", "v2", "-o", "json"]).await.data();
    assert_eq!(data["files"][0]["path"], "projects/a/config.json");
    let mut command = fake.command(&["render", "line1", "projects/a/config.json"]);
    let done = command.output().await.expect("it runs");
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), CONTENT));
    let asked = fake.asked();
    assert!(asked.contains(&"render line1@v2 path= list=true".to_owned()), "{asked:?}");
    let exact = "render line1@4bf57a65c0a1b2d3e4f5061728394a5b6c7d8e9f path=projects/a/config.json \
                 list=false";
    assert!(asked.contains(&exact.to_owned()), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_in_a_new_folder() {
    let fake = rendering(5).await;
    let out = fake.home.path().join("out");
    let dir = out.display().to_string();
    let ran = fake.run(&["render", "line1", "--running", "--out", &dir]).await;
    assert_snapshot!("render-out", ran.all());
    let written = std::fs::read(out.join("projects/a/config.json")).expect("it was written");
    assert_eq!(written, CONTENT);
    let ran = fake.run(&["render", "line1", "--out", &dir]).await;
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(ran.err.contains("is not empty"), "{}", ran.all());
    assert!(fake.asked().contains(&"render line1@running path= list=false".to_owned()));
}
