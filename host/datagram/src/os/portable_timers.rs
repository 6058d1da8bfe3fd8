//! Timers of tokio, with a resolution of a millisecond, on every system.

use std::sync::Arc;
use std::time::Instant;

use wasmtime_wasi::async_trait;

use crate::world;

/// The state shared by timers, which is empty.
#[derive(Debug, Default)]
pub(super) struct Timers;

/// A timer for an instant.
pub(super) struct Deadline(Instant);

impl Deadline {
    /// Creates a timer that expires at `at`.
    pub(super) fn new(at: Instant, _: Arc<Timers>) -> Self {
        Self(at)
    }
}

#[async_trait]
impl world::Timer for Deadline {
    async fn expired(&mut self) {
        tokio::time::sleep_until(self.0.into()).await;
    }
}
