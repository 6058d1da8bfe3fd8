//! Memories, tables, globals and instances, in bytes.

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use super::LimitExceeded;
/// What an element of a table takes in the host, at most.
pub const ELEMENT: usize = 16;

/// What a component's instances take before any of its code runs. The component decides both:
/// instances of 1,000,000 globals may be made 1,000 times by a few lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes that no [`ResourceLimiter`] is asked for: instances, their globals, imports and
    /// functions.
    pub instances: u64,
    /// Bytes of memories and tables, in the size that they start with, which a limiter will be
    /// asked for.
    pub initial: u64,
}

/// Holds all that a component's instances take, together, to a limit.
///
/// wasmtime asks before a memory or a table is made or grows. Instances, and the globals in them,
/// are counted beforehand ([`Memory::reserve`]).
///
/// Growth beyond it ends the instance rather than fails: a guest that is told "no" mostly aborts,
/// and its message is then about anything but the limit.
#[derive(Debug)]
pub struct Memory {
    limit: ByteSize,
    used: usize,
}

impl Memory {
    /// Nothing is used yet.
    pub fn new(limit: ByteSize) -> Self {
        Self { limit, used: 0 }
    }

    /// Counts the instances that are about to be made. What they will ask for by themselves must
    /// fit, too, and counts when they ask.
    pub fn reserve(&mut self, footprint: Footprint) -> Result<(), LimitExceeded> {
        let used = footprint.instances.saturating_add(self.used as u64);
        if used.saturating_add(footprint.initial) > self.limit.as_u64() {
            return Err(LimitExceeded::Memory(self.limit));
        }
        self.used = usize::try_from(used).unwrap_or(usize::MAX);
        Ok(())
    }

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(by);
        if used as u64 > self.limit.as_u64() {
            return Err(LimitExceeded::Memory(self.limit).into());
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum it fails, which is nothing of ours.
        if maximum.is_some_and(|maximum| desired > maximum) {
            Ok(false)
        } else {
            self.grow(desired - current)
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow((desired - current).saturating_mul(ELEMENT))
    }

    // Each counts in bytes: wasmtime's own bounds would end an instance with an error that names no
    // limit.

    fn instances(&self) -> usize {
        usize::MAX
    }

    fn tables(&self) -> usize {
        usize::MAX
    }

    fn memories(&self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_count_together() {
        let mut memory = Memory::new(ByteSize(100_000));
        assert!(memory.memory_growing(0, 65_536, None).unwrap());
        assert!(memory.table_growing(0, 2_000, None).unwrap());
        let error = memory.memory_growing(65_536, 131_072, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&LimitExceeded::Memory(ByteSize(100_000))));
        assert!(memory.table_growing(2_000, 2_100, None).unwrap());
    }

    #[test]
    fn instances_count_with_memories_and_tables_and_before_them() {
        let limit = ByteSize(100_000);
        let reserved = |instances, initial| {
            let mut memory = Memory::new(limit);
            memory.reserve(Footprint { instances, initial }).map(|()| memory)
        };
        assert_eq!(reserved(34_464, 65_537).unwrap_err(), LimitExceeded::Memory(limit));
        assert_eq!(reserved(u64::MAX, u64::MAX).unwrap_err(), LimitExceeded::Memory(limit));
        let mut memory = reserved(34_464, 65_536).unwrap();
        assert!(memory.memory_growing(0, 65_536, None).unwrap());
        assert!(memory.table_growing(0, 1, None).is_err());
    }

    #[test]
    fn growth_counts_by_what_is_added() {
        let mut memory = Memory::new(ByteSize(100_000));
        for (current, desired) in [(0, 50_000), (50_000, 90_000), (90_000, 100_000)] {
            assert!(memory.memory_growing(current, desired, None).unwrap(), "{desired}");
        }
        assert!(memory.memory_growing(100_000, 100_001, None).is_err());
        let mut memory = Memory::new(ByteSize(100_000));
        for (current, desired) in [(0, 3_000), (3_000, 6_250)] {
            assert!(memory.table_growing(current, desired, None).unwrap(), "{desired}");
        }
        assert!(memory.table_growing(6_250, 6_251, None).is_err());
    }

    #[test]
    fn how_many_there_are_is_not_bounded_beside_their_bytes() {
        let memory = Memory::new(ByteSize(1));
        assert_eq!([memory.instances(), memory.tables(), memory.memories()], [usize::MAX; 3]);
    }

    #[test]
    fn what_fails_anyway_counts_nothing() {
        let mut memory = Memory::new(ByteSize(100_000));
        assert!(!memory.memory_growing(0, 65_536, Some(1)).unwrap());
        assert!(memory.memory_growing(0, 65_536, Some(65_536)).unwrap());
        assert!(!memory.table_growing(0, 2_000, Some(1)).unwrap());
        assert!(memory.table_growing(0, 2_000, Some(2_000)).unwrap());
    }
}
