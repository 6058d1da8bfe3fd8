//! The two clocks.

use udping_core::{Instant, UnixTime};

use crate::p2::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::p2::poll::Pollable;

/// Returns the time of `wasi:clocks/monotonic-clock.now`.
pub fn now() -> Instant {
    Instant::from_nanos(monotonic_clock::now())
}

/// Returns the time of `wasi:clocks/wall-clock.now`.
pub fn unix_now() -> UnixTime {
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    UnixTime { seconds, nanoseconds }
}

/// Returns a pollable that is ready from `at` on.
pub fn timer(at: Instant) -> Pollable {
    monotonic_clock::subscribe_instant(at.as_nanos())
}
