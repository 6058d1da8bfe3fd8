//! The two clocks.

use udping_core::{Instant, UnixTime};

use crate::p3::bindings::wasi::clocks::{monotonic_clock, system_clock};
use crate::p3::poll::Pollable;

/// Returns the time of `wasi:clocks/monotonic-clock.now`.
pub fn now() -> Instant {
    Instant::from_nanos(monotonic_clock::now())
}

/// Returns the time of `wasi:clocks/system-clock.now`. One before 1970 reads as 1970.
pub fn unix_now() -> UnixTime {
    let system_clock::Instant { seconds, nanoseconds } = system_clock::now();
    match u64::try_from(seconds) {
        Ok(seconds) => UnixTime { seconds, nanoseconds },
        Err(_) => UnixTime { seconds: 0, nanoseconds: 0 },
    }
}

/// Returns a pollable that is ready from `at` on.
pub fn timer(at: Instant) -> Pollable {
    Pollable::of(async move { monotonic_clock::wait_until(at.as_nanos()).await })
}
