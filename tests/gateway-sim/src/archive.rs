//! Zip files: written with the entries that there are, read as leniently as the gateway does.
//!
//! A file that is cut off has no central directory; the gateway takes the entries before the cut.

use std::io::{Cursor, Read, Write};

use zip::{
    CompressionMethod, ZipArchive, ZipWriter, read::read_zipfile_from_stream,
    write::SimpleFileOptions,
};

/// Larger entries are not read.
const ENTRY_MAX: u64 = 64 << 20;
/// More entries than that are not read.
const ENTRIES_MAX: usize = 200_000;

/// Packs files, in the order given.
pub(crate) fn pack(files: &[(String, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The files of a zip, folders left out.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    match ZipArchive::new(Cursor::new(bytes)) {
        Ok(mut archive) => {
            let count = archive.len().min(ENTRIES_MAX);
            (0..count).filter_map(|at| entry(&mut archive.by_index(at).ok()?)).collect()
        }
        Err(_) => stream(bytes),
    }
}

fn stream(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut left = Cursor::new(bytes);
    let mut found = Vec::new();
    while let Ok(Some(mut file)) = read_zipfile_from_stream(&mut left) {
        // A cut entry ends it.
        let Some(entry) = entry(&mut file) else { break };
        found.push(entry);
        if found.len() == ENTRIES_MAX {
            break;
        }
    }
    found
}

fn entry<R: Read>(file: &mut zip::read::ZipFile<'_, R>) -> Option<(String, Vec<u8>)> {
    let name = file.name().ok()?.into_owned();
    let mut bytes = Vec::new();
    file.by_ref().take(ENTRY_MAX).read_to_end(&mut bytes).ok()?;
    (!name.ends_with('/')).then_some((name, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_and_a_cut_file_gives_its_beginning() {
        let files: Vec<(String, Vec<u8>)> =
            (0..3).map(|n| (format!("a/{n}"), vec![b'0' + n; 1000])).collect();
        let whole = pack(&files).unwrap();
        assert_eq!(unpack(&whole), files);
        // Right behind the first entry: each has 30 bytes of header, its name and its data.
        let second = whole.windows(4).skip(4).position(|w| w == b"PK\x03\x04").unwrap() + 4;
        assert_eq!(unpack(&whole[..second + 10]), files[..1]);
        assert!(unpack(b"not a zip").is_empty());
    }
}
