//! Memory outside the component that its sockets take: their buffers in the kernel, and datagrams
//! that wait in the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytesize::ByteSize;

/// What the sockets of one place have together. One half is split evenly, so that none is left
/// without; the other half goes to whoever asks first.
#[derive(Debug)]
pub struct Buffers {
    /// What each direction of each socket has in any case.
    floor: usize,
    left: AtomicUsize,
}

impl Buffers {
    /// `limit` for up to `sockets` sockets.
    pub fn new(limit: ByteSize, sockets: usize) -> Arc<Self> {
        let half = usize::try_from(limit.as_u64() / 2).unwrap_or(usize::MAX);
        Arc::new(Self { floor: half / sockets.max(1) / 2, left: AtomicUsize::new(half) })
    }

    /// What nobody has.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes up to so much of it, and says how much.
    fn take(&self, most: usize) -> usize {
        let rest = |left: usize| Some(left - most.min(left));
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        // It never fails: there always is a rest.
        most.min(left.unwrap_or_default())
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A part of it, which is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    buffers: Arc<Buffers>,
    floor: usize,
    /// What was taken beyond the floor.
    taken: AtomicUsize,
}

impl Share {
    /// For one direction of a socket, which has its floor.
    pub(crate) fn of_socket(buffers: &Arc<Buffers>) -> Self {
        Self { buffers: buffers.clone(), floor: buffers.floor, taken: AtomicUsize::new(0) }
    }

    /// For datagrams that wait, which have none.
    pub(crate) fn of_datagrams(buffers: &Arc<Buffers>) -> Self {
        Self { buffers: buffers.clone(), floor: 0, taken: AtomicUsize::new(0) }
    }

    /// What of `bytes` there is room for, in the place of what was taken before.
    pub(crate) fn resize(&self, bytes: usize) -> usize {
        self.buffers.give_back(self.taken.swap(0, Ordering::Relaxed));
        let taken = self.buffers.take(bytes.saturating_sub(self.floor));
        self.taken.store(taken, Ordering::Relaxed);
        bytes.min(self.floor + taken)
    }

    /// What nobody else has.
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
