//! The limit on memories, tables, globals and instances, in bytes.

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use super::LimitExceeded;
/// The maximum bytes that a table element takes in the host.
pub const ELEMENT: usize = 16;

/// The memory that a component's instances take before any of its code runs. The component
/// determines it: a few lines can create 1,000 instances of 1,000,000 globals each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The bytes of instances, their globals, imports and functions, which no [`ResourceLimiter`]
    /// is asked about.
    pub instances: u64,
    /// The bytes of memories and tables at their initial size, which a limiter will be asked about.
    pub initial: u64,
}

/// Limits the total memory of a component's instances.
///
/// wasmtime asks before it creates or grows a memory or a table. Instances, and their globals, are
/// counted beforehand ([`Memory::reserve`]).
///
/// Growth beyond the limit traps the instance rather than fails: most guests abort after a failure,
/// with a message that does not mention the limit.
#[derive(Debug)]
pub struct Memory {
    limit: ByteSize,
    used: usize,
}

impl Memory {
    /// Creates a limit of which nothing is used.
    pub fn new(limit: ByteSize) -> Self {
        Self { limit, used: 0 }
    }

    /// Counts the instances that are about to be created. Their initial memories and tables have to
    /// fit, too, and are counted when wasmtime asks about them.
    pub fn reserve(&mut self, footprint: Footprint) -> Result<(), LimitExceeded> {
        let used = footprint.instances.saturating_add(self.used as u64);
        if used.saturating_add(footprint.initial) > self.limit.as_u64() {
            return Err(LimitExceeded::Memory(self.limit));
        }
        self.used = usize::try_from(used).unwrap_or(usize::MAX);
        Ok(())
    }

    /// Counts growth in units of `unit` bytes: bytes of a memory, or elements of a table.
    fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
        unit: usize,
    ) -> wasmtime::Result<bool> {
        // Growth beyond its own maximum fails, regardless of the limit.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let used = self.used.saturating_add((desired - current).saturating_mul(unit));
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
        self.grow(current, desired, maximum, 1)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, ELEMENT)
    }

    // All of these are limited in bytes: wasmtime's counts would trap an instance with an error
    // that names no limit.

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
