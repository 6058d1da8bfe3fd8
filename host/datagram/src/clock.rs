//! The clocks of one instance.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use crate::datagram_times::DatagramTimes;
use crate::gathering::Gathering;
use crate::world::World;

/// The clocks of one instance, and what its sends wait for. The monotonic clock starts at zero, so
/// that it reveals nothing about the machine.
///
/// After a `receive` of `wasi:sockets/udp`, the first reading of each clock returns when the datagrams
/// arrived, as far as that is known ([`crate::Received::arrived`]) and [`crate::poll`] has returned
/// the socket; after a `send`, when they were passed to the system.
#[derive(Clone)]
pub struct Clock {
    pub(crate) start: Instant,
    pub(crate) world: Arc<dyn World>,
    datagram_times: Arc<Mutex<DatagramTimes>>,
    gathering: Arc<Mutex<Gathering>>,
}

impl Clock {
    /// Creates the clocks of an instance, whose monotonic clock is zero now.
    pub fn new(world: Arc<dyn World>) -> Self {
        let start = world.now();
        Self {
            start,
            world,
            datagram_times: Arc::new(Mutex::new(DatagramTimes::new(start))),
            gathering: Arc::default(),
        }
    }

    /// Waits for `future`, in place where the world does.
    pub(crate) async fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            let mut result = None;
            self.world.poll_in_place(&mut || match future.as_mut().poll(context) {
                Poll::Ready(value) => {
                    result = Some(value);
                    true
                }
                Poll::Pending => false,
            });
            result.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Records that the component waits, in a call of WASI 0.3.
    pub(crate) fn waits(&self) {
        let now = self.world.now();
        self.datagram_times().has_to_wait(now);
        self.gathering().polled();
    }

    /// What waits to be sent with other datagrams, since no clock has been read.
    pub(crate) fn gathering(&self) -> MutexGuard<'_, Gathering> {
        // As above: no panic leaves it inconsistent.
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state behind the readings.
    pub(crate) fn datagram_times(&self) -> MutexGuard<'_, DatagramTimes> {
        // No panic while the lock is held leaves it inconsistent.
        self.datagram_times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
