//! A bounded list that is cheap to share: whoever holds an older state keeps its chunks, and a push
//! copies one chunk instead of the whole list. It keeps the newest entries and says nothing of what
//! they are.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries in one chunk: small enough to copy per batch, large enough that a list of two thousand
/// has few chunks.
const CHUNK: usize = 64;

/// The newest entries, oldest first.
#[derive(Debug, Clone)]
pub struct Ring<T> {
    chunks: VecDeque<Arc<Vec<T>>>,
    /// Entries at the front of the first chunk that count no more. Chunks fall differently after a
    /// snapshot, so whole chunks must never decide what is kept.
    gone: usize,
    len: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), gone: 0, len: 0 }
    }
}

impl<T> Ring<T> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).skip(self.gone)
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev()).take(self.len)
    }

    /// The oldest entry.
    pub fn front(&self) -> Option<&T> {
        self.iter().next()
    }
}

impl<T: Clone> Ring<T> {
    /// Adds the newest entry; the oldest go when there are more than `max`. Gives the last that went.
    pub fn push(&mut self, entry: T, max: usize) -> Option<T> {
        match self.chunks.back_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(entry),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push_back(Arc::new(chunk));
            }
        }
        self.len += 1;
        let mut last = None;
        while self.len > max {
            last = self.pop_front();
        }
        last
    }

    /// Takes the oldest entry away.
    pub fn pop_front(&mut self) -> Option<T> {
        let chunk = self.chunks.front()?;
        let oldest = chunk.get(self.gone).cloned();
        self.len = self.len.saturating_sub(1);
        self.gone += 1;
        if chunk.len() <= self.gone {
            self.chunks.pop_front();
            self.gone = 0;
        }
        oldest
    }
}

impl<T: PartialEq> PartialEq for Ring<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Serialize> Serialize for Ring<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de> + Clone> Deserialize<'de> for Ring<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut ring = Self::default();
        for entry in Vec::<T>::deserialize(deserializer)? {
            ring.push(entry, usize::MAX);
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_exactly_the_newest() {
        let mut ring = Ring::default();
        assert!(ring.is_empty() && ring.front().is_none());
        for n in 0..1_000_u32 {
            let went = ring.push(n, 200);
            assert_eq!(went, n.checked_sub(200));
            let from = (n + 1).saturating_sub(200);
            assert_eq!(ring.front(), Some(&from));
            assert_eq!(ring.len(), (n + 1 - from) as usize);
        }
        let all: Vec<u32> = ring.iter().copied().collect();
        assert_eq!(all, (800..1_000).collect::<Vec<_>>());
        let mut back: Vec<u32> = ring.newest().copied().collect();
        back.reverse();
        assert_eq!(back, all);
        for n in all {
            assert_eq!(ring.pop_front(), Some(n));
        }
        assert_eq!((ring.pop_front(), ring.len()), (None, 0));
    }

    #[test]
    fn a_restored_one_goes_on_like_the_original() {
        let mut ring = Ring::default();
        for n in 0..333_u32 {
            ring.push(n, 100);
        }
        let json = serde_json::to_string(&ring).unwrap();
        let mut back: Ring<u32> = serde_json::from_str(&json).unwrap();
        for n in 333..700 {
            assert_eq!(ring, back);
            ring.push(n, 100);
            back.push(n, 100);
        }
        assert_eq!(serde_json::to_string(&ring).unwrap(), serde_json::to_string(&back).unwrap());
    }

    #[test]
    fn a_clone_does_not_see_later_entries() {
        let mut ring = Ring::default();
        for n in 0..70_u32 {
            ring.push(n, 100);
        }
        let before = ring.clone();
        ring.push(70, 100);
        assert_eq!(before.len(), 70);
        assert_eq!(before.newest().next(), Some(&69));
        assert!(Arc::ptr_eq(&before.chunks[0], &ring.chunks[0]));
    }
}
