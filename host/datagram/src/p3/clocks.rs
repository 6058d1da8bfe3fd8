//! `wasi:clocks/monotonic-clock` and `system-clock`, and how a component waits for a time.

use std::time::{Duration, Instant};

use wasmtime::component::{Accessor, Linker};
use wasmtime_wasi::p3::bindings::clocks::{monotonic_clock, system_clock, types};

use crate::view::{View, Viewed};

/// Adds `wasi:clocks/types`, `monotonic-clock` and `system-clock` to `linker`, with the
/// state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, Viewed>(linker, view)?;
    monotonic_clock::add_to_linker::<_, Viewed>(linker, view)?;
    system_clock::add_to_linker::<_, Viewed>(linker, view)
}

impl types::Host for View<'_> {}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Mark> {
        self.monotonic()
    }

    fn get_resolution(&mut self) -> wasmtime::Result<types::Duration> {
        Ok(1)
    }
}

impl<T: Send> monotonic_clock::HostWithStore<T> for Viewed {
    async fn wait_until(
        accessor: &Accessor<T, Self>,
        when: monotonic_clock::Mark,
    ) -> wasmtime::Result<()> {
        let until = |view: &View<'_>| view.clock.start.checked_add(Duration::from_nanos(when));
        wait(accessor, until).await;
        Ok(())
    }

    async fn wait_for(
        accessor: &Accessor<T, Self>,
        how_long: types::Duration,
    ) -> wasmtime::Result<()> {
        let until =
            |view: &View<'_>| view.clock.world.now().checked_add(Duration::from_nanos(how_long));
        wait(accessor, until).await;
        Ok(())
    }
}

/// The maximum number of turns for which a wait that is over gives way to what has arrived.
const TURNS: u32 = 64;

/// Waits until the instant that `until` returns; for ever, if there is no such instant.
async fn wait<T: Send>(
    accessor: &Accessor<T, Viewed>,
    until: impl FnOnce(&View<'_>) -> Option<Instant>,
) {
    let timer = accessor.with(|mut access| {
        let mut view = access.get();
        view.flush();
        view.clock.datagram_times().end();
        let (at, world) = (until(&view), &view.clock.world);
        match at {
            Some(at) if at <= world.now() => None,
            other => Some(other.map(|at| world.timer(at))),
        }
    });
    match timer {
        None => {}
        Some(None) => std::future::pending().await,
        Some(Some(mut timer)) => {
            timer.expired().await;
            // What has arrived until now comes first: its time is the earlier one, and the clock
            // could not return it any more.
            for turn in 0..TURNS {
                let world = accessor.with(|mut access| {
                    let mut view = access.get();
                    let waits = turn == 0 && view.clock.datagram_times().is_waited_for();
                    (waits || view.has_unreceived()).then(|| view.clock.world.clone())
                });
                let Some(world) = world else { break };
                world.yield_now().await;
            }
            // What comes next is not about what was received.
            accessor.with(|mut access| access.get().clock.datagram_times().end());
        }
    }
}

impl system_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<system_clock::Instant> {
        let since = self.since_1970();
        Ok(system_clock::Instant {
            seconds: since.as_secs().try_into()?,
            nanoseconds: since.subsec_nanos(),
        })
    }

    fn get_resolution(&mut self) -> wasmtime::Result<types::Duration> {
        Ok(1)
    }
}
