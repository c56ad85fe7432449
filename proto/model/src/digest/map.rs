//! Values by digest that are looked up and never walked: so no order of hashes can show in a result, and
//! the pure parts may use it too.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::Digest;

/// Takes the first eight bytes: a digest is as evenly spread as any hash of it. Who could choose
/// contents whose digests agree in them would have worked for a day, to make one look-up slow.
#[derive(Debug, Default)]
struct First(u64);

impl Hasher for First {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }

    // The length comes as a number of its own, and is the same for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Values by digest.
#[derive(Debug)]
pub struct DigestMap<V>(HashMap<Digest, V, BuildHasherDefault<First>>);

impl<V> Default for DigestMap<V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<V> DigestMap<V> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A value.
    pub fn get(&self, digest: &Digest) -> Option<&V> {
        self.0.get(digest)
    }

    /// A value, to be changed.
    pub fn get_mut(&mut self, digest: &Digest) -> Option<&mut V> {
        self.0.get_mut(digest)
    }

    /// A value, made if there is none.
    pub fn get_or_insert_with(&mut self, digest: Digest, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(digest).or_insert_with(make)
    }

    /// Sets a value; gives the one before.
    pub fn insert(&mut self, digest: Digest, value: V) -> Option<V> {
        self.0.insert(digest, value)
    }

    /// Takes a value out.
    pub fn remove(&mut self, digest: &Digest) -> Option<V> {
        self.0.remove(digest)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_that_begin_alike_are_told_apart() {
        let (one, mut two) = (Digest([7; 32]), Digest([7; 32]));
        two.0[31] = 8;
        let mut map = DigestMap::default();
        assert_eq!(map.insert(one, 1), None);
        assert_eq!(*map.get_or_insert_with(two, || 2), 2);
        assert_eq!((map.get(&one), map.get(&two), map.len()), (Some(&1), Some(&2), 2));
        assert_eq!((map.remove(&one), map.get(&one), map.get(&two)), (Some(1), None, Some(&2)));
    }
}
