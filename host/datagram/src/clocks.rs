//! `wasi:clocks`: the monotonic and the wall clock of a [`World`](crate::World), and pollables for
//! instants.

use std::time::{Duration, Instant, UNIX_EPOCH};

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::clock::Clock;
use crate::view::{View, Viewed};
use crate::world::Timer;

/// Adds `wasi:clocks/monotonic-clock` and `wasi:clocks/wall-clock` to `linker`, with the state that
/// `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<_, Viewed>(linker, view)?;
    wall_clock::add_to_linker::<_, Viewed>(linker, view)
}

/// The pollable of `subscribe-instant` and `subscribe-duration`.
struct Deadline {
    /// The timer; `None` if the instant is beyond the range of [`Instant`].
    timer: Option<Box<dyn Timer>>,
}

#[async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.expired().await,
            None => std::future::pending().await,
        }
    }
}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.monotonic()
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        // One nanosecond, as Linux reports for its monotonic clock (clock_getres(2)).
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(self.clock.start.checked_add(Duration::from_nanos(when)))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(self.clock.world.now().checked_add(Duration::from_nanos(duration)))
    }
}

impl View<'_> {
    /// Sends what the component has sent before it looks at a clock.
    fn time(&mut self) {
        self.flush();
        self.clock.gathering().timed();
    }

    /// The time of the monotonic clock, in nanoseconds since the instance's start, or of what was
    /// just received or sent.
    pub(crate) fn monotonic(&mut self) -> wasmtime::Result<u64> {
        self.time();
        let Clock { start, world, .. } = self.clock;
        let now = self.clock.datagram_times().monotonic(world.now());
        Ok(u64::try_from(now.saturating_duration_since(*start).as_nanos())?)
    }

    /// The time of the wall clock, likewise. One before 1970 has not been set: it reads as 1970.
    pub(crate) fn since_1970(&mut self) -> Duration {
        self.time();
        let world = &self.clock.world;
        let before = self.clock.datagram_times().wall(world.now());
        let since = world.wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.saturating_sub(before)
    }

    fn deadline(&mut self, at: Option<Instant>) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = at.map(|at| self.clock.world.timer(at));
        let deadline = self.table.push(Deadline { timer })?;
        subscribe(self.table, deadline)
    }
}

impl wall_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let since = self.since_1970();
        let nanoseconds = since.subsec_nanos();
        Ok(wall_clock::Datetime { seconds: since.as_secs(), nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::with_view;

    #[test]
    fn one_that_is_later_than_there_is_time_never_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _runtime = runtime.enter();
        with_view(|view| {
            let never = monotonic_clock::Host::subscribe_instant(view, u64::MAX).unwrap();
            let wait = wasmtime_wasi::p2::bindings::io::poll::HostPollable::block(view, never);
            let wait = async { tokio::time::timeout(Duration::from_millis(5), wait).await };
            assert!(runtime.block_on(wait).is_err());
        });
    }
}
