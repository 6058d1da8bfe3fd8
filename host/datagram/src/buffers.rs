//! The memory limit for sockets outside the component: kernel buffers, and datagrams waiting in the
//! host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytesize::ByteSize;

/// A memory limit shared by a set of sockets, in bytes. One half is divided evenly, so that every
/// socket has some; the other half is allocated on demand.
#[derive(Debug)]
pub struct Buffers {
    /// The bytes guaranteed to each direction of each socket.
    floor: usize,
    left: AtomicUsize,
}

impl Buffers {
    /// Creates a limit of `limit` bytes for up to `sockets` sockets.
    pub fn new(limit: ByteSize, sockets: usize) -> Arc<Self> {
        let half = usize::try_from(limit.as_u64() / 2).unwrap_or(usize::MAX);
        Arc::new(Self { floor: half / sockets.max(1) / 2, left: AtomicUsize::new(half) })
    }

    /// The number of unallocated bytes of the half that is allocated on demand.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Allocates up to `most` bytes, and returns how many.
    fn take(&self, most: usize) -> usize {
        let rest = |left: usize| Some(left - most.min(left));
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        // The update never fails: `rest` always returns a value.
        most.min(left.unwrap_or_default())
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// An allocation, which is released on drop.
#[derive(Debug)]
pub(crate) struct Share {
    buffers: Arc<Buffers>,
    floor: usize,
    /// The bytes allocated beyond the floor.
    taken: AtomicUsize,
}

impl Share {
    /// Creates the share of one direction of a socket, which has a floor.
    pub(crate) fn of_socket(buffers: &Arc<Buffers>) -> Self {
        Self { buffers: buffers.clone(), floor: buffers.floor, taken: AtomicUsize::new(0) }
    }

    /// Creates the share of waiting datagrams, which has no floor.
    pub(crate) fn of_datagrams(buffers: &Arc<Buffers>) -> Self {
        Self { buffers: buffers.clone(), floor: 0, taken: AtomicUsize::new(0) }
    }

    /// Replaces the allocation by up to `bytes` bytes, and returns how many there is room for.
    pub(crate) fn resize(&self, bytes: usize) -> usize {
        self.buffers.give_back(self.taken.swap(0, Ordering::Relaxed));
        let taken = self.buffers.take(bytes.saturating_sub(self.floor));
        self.taken.store(taken, Ordering::Relaxed);
        bytes.min(self.floor + taken)
    }

    /// The number of unallocated bytes.
    pub(crate) fn left(&self) -> usize {
        self.buffers.left()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.buffers.give_back(*self.taken.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_request_is_cut_to_the_remainder_but_has_a_floor() {
        let buffers = Buffers::new(ByteSize(1_000), 5);
        let [one, two] = [(); 2].map(|()| Share::of_socket(&buffers));
        assert_eq!(one.resize(450), 450);
        assert_eq!(two.resize(450), 50 + 100);
        assert_eq!(buffers.left(), 0);
        assert_eq!(Share::of_socket(&buffers).resize(450), 50);
        assert_eq!(Share::of_datagrams(&buffers).resize(450), 0);
        assert_eq!(one.resize(50), 50);
        assert_eq!(two.resize(usize::MAX), 50 + 500);
        drop((one, two));
        assert_eq!(buffers.left(), 500);
    }

    #[test]
    fn without_any_nothing_breaks() {
        let buffers = Buffers::new(ByteSize(0), 0);
        assert_eq!(Share::of_socket(&buffers).resize(100), 0);
    }
}
