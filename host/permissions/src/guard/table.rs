//! A bounded table with fast access to the entry used last.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// The maximum number of entries; the least recently used one is forgotten first.
pub(super) const MOST: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is not 0");

/// Entries, each found in constant time; the one used last, which mostly is the next one, too,
/// without hashing.
#[derive(Debug)]
pub(super) struct Table<Key: Hash + Eq, Value> {
    positions: LruCache<Key, usize>,
    values: Vec<Value>,
    in_use: Option<(Key, usize)>,
}

impl<Key: Copy + Hash + Eq, Value> Table<Key, Value> {
    pub(super) fn new() -> Self {
        // Without preallocated capacity: most servers have few peers.
        Self { positions: LruCache::unbounded(), values: Vec::new(), in_use: None }
    }

    /// The entry of `key`, without marking it as used.
    pub(super) fn peek(&mut self, key: Key) -> Option<&mut Value> {
        let position = match self.in_use {
            Some((in_use, position)) if in_use == key => position,
            _ => *self.positions.peek(&key)?,
        };
        self.values.get_mut(position)
    }

    /// The entry of `key`, created by `new` if there is none.
    pub(super) fn get_or_insert(&mut self, key: Key, new: impl FnOnce() -> Value) -> &mut Value {
        let position = match self.in_use {
            Some((in_use, position)) if in_use == key => position,
            _ => match self.positions.get(&key) {
                Some(position) => *position,
                None => self.insert(key, new()),
            },
        };
        self.in_use = Some((key, position));
        &mut self.values[position]
    }

    fn insert(&mut self, key: Key, value: Value) -> usize {
        let forgotten =
            if self.values.len() < MOST.get() { None } else { self.positions.pop_lru() };
        let position = if let Some((_, position)) = forgotten {
            self.values[position] = value;
            position
        } else {
            self.values.push(value);
            self.values.len() - 1
        };
        self.positions.push(key, position);
        position
    }

    /// The number of entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.positions.len(), self.values.len());
        self.values.len()
    }
}
