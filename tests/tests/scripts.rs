//! Plays the fleet stories of `tests/scripts`: once as they are, and once with a second leader that
//! proposes every decision too, which must change nothing. `BLESS=1` writes what the cluster makes of
//! them; read the difference before you commit it.

use std::path::PathBuf;

use fleet_tests::script::play;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

#[test]
fn every_story_goes_as_it_is_told() -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() >= 12, "stories are missing");
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let played = play(&text, false).map_err(|error| error.context(name.clone()))?;
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(file, &played)?;
        } else if played != text {
            wrong.push(format!("{name} goes otherwise:\n{played}"));
        }
        let twice = play(&text, true).map_err(|error| error.context(name.clone()))?;
        if twice != played {
            wrong.push(format!("{name} goes otherwise with two leaders:\n{twice}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
