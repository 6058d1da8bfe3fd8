//! Timers that are created before they are waited for.
//!
//! In a virtual machine, setting the timer that expires next takes some 20 us, since it requires a
//! VM exit. A client that does so while a ping is in flight adds that to its RTTs.

use udping_core::Instant;
use udping_wasi::clock;
use udping_wasi::poll::Pollable;

/// The existing timers, each with its instant.
#[derive(Debug, Default)]
pub struct Timers(Vec<(Instant, Pollable)>);

impl Timers {
    /// Creates a timer for `at`, unless there is one.
    pub fn make(&mut self, at: Instant) {
        if self.get(at).is_none() {
            self.0.push((at, clock::timer(at)));
        }
    }

    /// Returns the timer for `at`.
    pub fn get(&self, at: Instant) -> Option<&Pollable> {
        self.0.iter().find(|(made_for, _)| *made_for == at).map(|(_, timer)| timer)
    }

    /// Drops all timers but those for `kept`.
    pub fn keep(&mut self, kept: [Option<Instant>; 3]) {
        self.0.retain(|(at, _)| kept.contains(&Some(*at)));
    }
}
