//! Packs between two mirrors, of a repository made with git itself.

use super::{
    super::scratch::{commit, git},
    *,
};

struct Place {
    dir: tempfile::TempDir,
    from: Mirror,
    to: Mirror,
    first: GitId,
    second: GitId,
}

/// A mirror that has two commits, and one whose remote is gone.
fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    std::fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "--quiet"]);
    let first = commit(&work, "projects/a/view.json", &"x".repeat(300_000));
    let second = commit(&work, "projects/b/code.py", "print(1)\n");
    let from = Mirror::open(&dir.path().join("from"), work.to_str().unwrap()).unwrap();
    from.fetch().unwrap();
    let to = Mirror::open(&dir.path().join("to"), "/nowhere").unwrap();
    Place { dir, from, to, first, second }
}

fn pack(place: &Place, commit: GitId, have: &[GitId]) -> Vec<u8> {
    let mut pack = Vec::new();
    place.from.write_pack(commit, have, &mut pack).unwrap();
    pack
}

#[test]
fn a_commit_moves_with_all_of_its_files_and_without_history() {
    let place = place();
    assert!(matches!(place.to.fetch(), Err(MirrorFailed::Fetch { .. })));
    let whole = pack(&place, place.second, &[]);
    place.to.take_pack(place.second, whole.as_slice()).unwrap();
    assert!(place.to.has_commit(place.second));
    assert!(!place.to.has_commit(place.first), "history came along");
    assert_eq!(
        place.to.files(place.second, "").unwrap(),
        place.from.files(place.second, "").unwrap()
    );
    let (_, id, _) = place.to.files(place.second, "projects/b").unwrap().remove(0);
    assert_eq!(place.to.reader().read(id).unwrap(), b"print(1)\n");
    assert!(place.to.tips().is_empty(), "a ref has moved");
    drop(place.dir);
}

#[test]
fn what_history_says_of_a_commit_comes_with_it() {
    let place = place();
    let work = place.dir.path().join("work");
    let third = commit(&work, "projects/a/deep/code.py", "print(2)\n");
    place.from.fetch().unwrap();
    place.to.take_pack(place.second, pack(&place, place.second, &[]).as_slice()).unwrap();
    place.to.take_pack(third, pack(&place, third, &[]).as_slice()).unwrap();
    let again = Mirror::open(&place.dir.path().join("to"), "/nowhere").unwrap();
    for to in [&place.to, &again] {
        for of in [place.second, third] {
            assert!(to.has_commit(of));
            for path in ["", "projects", "projects/a", "projects/b"] {
                let times =
                    (to.changed_at(of, path).unwrap(), place.from.changed_at(of, path).unwrap());
                assert_eq!(times.0, times.1, "{path} of {of}");
            }
        }
        assert!(place.to.descent(third, place.first).is_err(), "nobody here can tell");
    }
    // One that got it itself gives it on, and what is built upon it.
    let mut onward = Vec::new();
    again.write_pack(third, &[], &mut onward).unwrap();
    let last = Mirror::open(&place.dir.path().join("last"), "/nowhere").unwrap();
    last.take_pack(third, onward.as_slice()).unwrap();
    assert_eq!(last.times(third).unwrap(), place.from.times(third).unwrap());
}

#[test]
fn the_history_comes_when_the_remote_is_back() {
    let place = place();
    place.to.take_pack(place.second, pack(&place, place.second, &[]).as_slice()).unwrap();
    let work = place.dir.path().join("work");
    let to = Mirror::open(&place.dir.path().join("to"), work.to_str().unwrap()).unwrap();
    to.fetch().unwrap();
    assert!(to.has_commit(place.first), "the fetch took the commit for whole");
    assert_eq!(to.files(place.first, "").unwrap(), place.from.files(place.first, "").unwrap());
    let (_, id, _) = to.files(place.first, "").unwrap().remove(0);
    assert_eq!(to.reader().read(id).unwrap().len(), 300_000);
    assert!(to.ends(&to.local()).unwrap().is_empty());
    let third = commit(&work, "projects/b/code.py", "print(3)\n");
    to.fetch().unwrap();
    let from = Mirror::open(&place.dir.path().join("fresh"), work.to_str().unwrap()).unwrap();
    from.fetch().unwrap();
    for path in ["projects/a", "projects/b"] {
        assert_eq!(to.changed_at(third, path).unwrap(), from.changed_at(third, path).unwrap());
    }
}

#[test]
fn a_commit_without_its_history_is_not_here_until_it_has_one() {
    let place = place();
    place.to.take_pack(place.second, pack(&place, place.second, &[]).as_slice()).unwrap();
    // As when the power fails before the times are written.
    std::fs::remove_dir_all(place.dir.path().join("to/millwright-times")).unwrap();
    let work = place.dir.path().join("work");
    let to = Mirror::open(&place.dir.path().join("to"), work.to_str().unwrap()).unwrap();
    assert!(!to.has_commit(place.second));
    to.fetch().unwrap();
    assert!(to.has_commit(place.second) && to.has_commit(place.first));
}

#[test]
fn a_remote_that_has_no_whole_history_is_followed_all_the_same() {
    let place = place();
    let url = format!("file://{}", place.dir.path().join("work").display());
    git(place.dir.path(), &["clone", "--quiet", "--depth", "1", &url, "shallow"]);
    let shallow = place.dir.path().join("shallow");
    let dir = place.dir.path().join("mirror");
    for _ in 0..2 {
        let mirror = Mirror::open(&dir, shallow.to_str().unwrap()).unwrap();
        mirror.fetch().unwrap();
        assert!(mirror.has_commit(place.second) && !mirror.has_commit(place.first));
        assert!(mirror.descent(place.second, place.first).is_err(), "it cannot be told");
    }
}

#[test]
fn what_the_asker_has_is_left_out() {
    let place = place();
    assert_eq!(place.from.tips(), vec![place.second]);
    let base = pack(&place, place.first, &[]);
    place.to.take_pack(place.first, base.as_slice()).unwrap();
    let rest = pack(&place, place.second, &[place.first]);
    assert!(rest.len() < base.len(), "{} of {} bytes", rest.len(), base.len());
    place.to.take_pack(place.second, rest.as_slice()).unwrap();
    assert_eq!(place.to.files(place.second, "").unwrap().len(), 2);
}

#[test]
fn a_pack_that_is_cut_damaged_or_incomplete_is_refused() {
    let place = place();
    let whole = pack(&place, place.second, &[]);
    for cut in [0, 11, whole.len() / 2, whole.len() - 1] {
        assert!(place.to.take_pack(place.second, &whole[..cut]).is_err(), "cut at {cut}");
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    assert!(place.to.take_pack(place.second, damaged.as_slice()).is_err());
    assert!(!place.to.has_commit(place.second));
    // Without the files that the asker was believed to have.
    let rest = pack(&place, place.second, &[place.first]);
    let error = place.to.take_pack(place.second, rest.as_slice()).unwrap_err().to_string();
    assert!(error.contains("cannot read object") || error.contains("lacks"), "{error}");
}

#[test]
fn pieces_arrive_as_they_were_written() {
    let (tx, mut rx) = mpsc::channel(64);
    let mut writer = ChunkWriter::new(tx);
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(CHUNK_BYTES * 2 + 17).collect();
    writer.write_all(&bytes).unwrap();
    writer.flush().unwrap();
    drop(writer);
    let (tx, again) = mpsc::channel(64);
    let mut sizes = Vec::new();
    while let Ok(chunk) = rx.try_recv() {
        sizes.push(chunk.as_ref().unwrap().len());
        tx.try_send(chunk).unwrap();
    }
    assert_eq!(sizes, [CHUNK_BYTES, CHUNK_BYTES, 17]);
    drop(tx);
    let mut back = Vec::new();
    ChunkReader::new(again).read_to_end(&mut back).unwrap();
    assert_eq!(back, bytes);
}
