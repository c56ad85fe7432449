//! Files of many messages, each with its length in front: what is large is written and read piece by
//! piece, so that no second copy of it is ever in memory.

use std::io::{self, Read, Write};

use prost::Message;

/// Items in one message.
pub const ITEMS: usize = 256;
/// Longest message; one of [`ITEMS`] longest paths has a hundred kilobytes.
const BYTES_MAX: u32 = 4 << 20;

/// Appends a message.
pub fn write(out: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a message is too long"))?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&bytes)
}

/// Hands every message to `each`. What ends within a message is an error.
pub fn read<M: Message + Default>(
    mut from: impl Read,
    mut each: impl FnMut(M) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let mut length = [0; 4];
        match from.read(&mut length[..1])? {
            0 => return Ok(()),
            _ => from.read_exact(&mut length[1..])?,
        }
        let length = u32::from_be_bytes(length);
        if length > BYTES_MAX {
            return Err(io::Error::other("a message is too long"));
        }
        bytes.resize(length as usize, 0);
        from.read_exact(&mut bytes)?;
        each(M::decode(bytes.as_slice()).map_err(io::Error::other)?)?;
    }
}

#[cfg(test)]
mod tests {
    use millwright_proto::agent::ManifestPart;

    use super::*;

    fn back(bytes: &[u8]) -> io::Result<Vec<ManifestPart>> {
        let mut parts = Vec::new();
        read(bytes, |part| {
            parts.push(part);
            Ok(())
        })?;
        Ok(parts)
    }

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let part = |root: &str| ManifestPart { roots: vec![root.to_owned()], ..Default::default() };
        let parts = [part("a"), part(""), ManifestPart::default(), part("b")];
        let mut bytes = Vec::new();
        for part in &parts {
            write(&mut bytes, part).unwrap();
        }
        assert_eq!(back(&bytes).unwrap(), parts);
        let cut = |length: usize| back(&bytes[..length]);
        let whole = (1..bytes.len()).filter(|length| cut(*length).is_ok());
        assert_eq!(whole.count(), parts.len() - 1);
        assert!(back(&[0xff; 9]).is_err());
        assert!(back(&[]).unwrap().is_empty());
    }
}
