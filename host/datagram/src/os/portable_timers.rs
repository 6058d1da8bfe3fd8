//! Timers of tokio: what every system has, to the millisecond.

use std::sync::Arc;
use std::time::Instant;

use wasmtime_wasi::async_trait;

use crate::world;

/// What timers share, which is nothing.
#[derive(Debug, Default)]
pub struct Timers;

/// An instant that is waited for.
pub struct Deadline(Instant);

impl Deadline {
    /// It waits for `at`.
    pub fn new(at: Instant, _: Arc<Timers>) -> Self {
        Self(at)
    }
}

#[async_trait]
impl world::Timer for Deadline {
    async fn expired(&mut self) {
        tokio::time::sleep_until(self.0.into()).await;
    }
}
