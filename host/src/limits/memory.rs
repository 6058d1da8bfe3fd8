//! Memories and tables, in bytes.

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use super::Struck;

/// What an element of a table takes in the host, at most.
const ELEMENT: usize = 16;

/// Holds all memories and tables of an instance, together, to a limit.
///
/// Growth beyond it ends the instance rather than fails: a guest that is told "no" mostly aborts, and its message is then
/// about anything but the limit.
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

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(by);
        if used as u64 > self.limit.as_u64() {
            return Err(Struck::Memory(self.limit).into());
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Beyond its own maximum it fails, which is nothing of ours.
        if maximum.is_some_and(|maximum| desired > maximum) { Ok(false) } else { self.grow(desired - current) }
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow((desired - current).saturating_mul(ELEMENT))
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
        assert_eq!(error.downcast_ref(), Some(&Struck::Memory(ByteSize(100_000))));
        assert!(memory.table_growing(2_000, 2_100, None).unwrap());
    }

    #[test]
    fn what_fails_anyway_counts_nothing() {
        let mut memory = Memory::new(ByteSize(100_000));
        assert!(!memory.memory_growing(0, 65_536, Some(1)).unwrap());
        assert!(memory.memory_growing(0, 65_536, Some(65_536)).unwrap());
    }
}
