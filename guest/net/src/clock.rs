//! The two clocks.

use udping_core::{Instant, UnixTime};

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::poll::Pollable;

/// `wasi:clocks/monotonic-clock.now`.
pub fn now() -> Instant {
    Instant::from_nanos(monotonic_clock::now())
}

/// `wasi:clocks/wall-clock.now`.
pub fn unix_now() -> UnixTime {
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    UnixTime { seconds, nanoseconds }
}

/// Ready from `at` on.
pub fn timer(at: Instant) -> Pollable {
    monotonic_clock::subscribe_instant(at.as_nanos())
}
