//! The datagrams that are to leave later, and the thread by which they do: the component may be
//! waiting for something else by then, or have ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use wasi_datagram::{Local, Sender, Transmit};

use crate::impaired::Place;

/// The sender of a socket, which its component and the thread use.
pub(super) type Shared = Arc<Mutex<Box<dyn Sender>>>;

/// A datagram that leaves later.
pub(super) struct Later {
    pub(super) at: Instant,
    pub(super) sender: Shared,
    pub(super) to: Option<SocketAddr>,
    pub(super) from: Option<Local>,
    pub(super) data: Vec<u8>,
    /// Freed once it has left.
    pub(super) place: Place,
}

#[derive(Default)]
pub(super) struct Delayed {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    datagrams: BinaryHeap<Reverse<Entry>>,
    added: u64,
}

/// Ordered by time; of those that leave at one time, the one that was sent first is the first.
struct Entry(Instant, u64, Later);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl Delayed {
    /// Starts the thread, which ends when this is dropped.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let delayed = Arc::new(Self::default());
        let weak = Arc::downgrade(&delayed);
        let work = move || Self::work(&weak);
        thread::Builder::new().name("impairments".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(delayed)
    }

    /// Has a datagram leave later.
    pub(super) fn add(&self, later: Later) {
        let mut waiting = self.waiting();
        waiting.added += 1;
        let entry = Entry(later.at, waiting.added, later);
        waiting.datagrams.push(Reverse(entry));
        self.changed.notify_one();
    }

    fn work(weak: &Weak<Self>) {
        /// How long the thread waits before it looks whether it is still needed.
        const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

        while let Some(delayed) = weak.upgrade() {
            let mut waiting = delayed.waiting();
            let now = Instant::now();
            let mut due = Vec::new();
            while waiting.datagrams.peek().is_some_and(|Reverse(first)| first.0 <= now) {
                due.extend(waiting.datagrams.pop());
            }
            if due.is_empty() {
                let next = waiting.datagrams.peek().map(|Reverse(first)| first.0);
                let pause = next.map_or(LOOK, |next| next.saturating_duration_since(now).min(LOOK));
                // Poisoned or not, the next turn looks again.
                let _ = delayed.changed.wait_timeout(waiting, pause);
                continue;
            }
            drop(waiting);
            for Reverse(Entry(_, _, Later { sender, to, from, data, place, .. })) in due {
                let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
                // The component was told that it was sent: an error is a loss.
                let _ = sender.try_send(&[Transmit { data: &data, to, from }]);
                drop(place);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No panic while the lock is held leaves the heap inconsistent.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
