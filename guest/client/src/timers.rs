//! Timers, made before they are waited for.
//!
//! In a virtual machine, to set the timer that is the next to expire takes some 20 us, since the
//! machine has to be left for it. A client that does so while a ping is on its way has that in its
//! RTTs.

use udping_core::Instant;
use udping_net::clock;
use udping_net::poll::Pollable;

/// Those that are made, each with its instant.
#[derive(Debug, Default)]
pub struct Timers(Vec<(Instant, Pollable)>);

impl Timers {
    /// Makes one for `at`, unless there is one.
    pub fn make(&mut self, at: Instant) {
        if self.get(at).is_none() {
            self.0.push((at, clock::timer(at)));
        }
    }

    /// The one for `at`.
    pub fn get(&self, at: Instant) -> Option<&Pollable> {
        self.0.iter().find(|(made_for, _)| *made_for == at).map(|(_, timer)| timer)
    }

    /// Drops all but those for `kept`.
    pub fn keep(&mut self, kept: [Option<Instant>; 3]) {
        self.0.retain(|(at, _)| kept.contains(&Some(*at)));
    }
}
