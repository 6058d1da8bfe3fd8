//! The statistics of a run, in bounded memory. They depend on neither pings nor datagrams, only on
//! the outcome of a ping.

pub(crate) mod delays;
pub(crate) mod distribution;
pub(crate) mod histogram;
pub(crate) mod jitter;
pub(crate) mod loss_directions;
pub(crate) mod losses;
pub(crate) mod one_way;
pub(crate) mod outcome;
pub(crate) mod reordering;

use std::time::Duration;

pub use delays::Measured;
pub use distribution::{Buckets, Distribution, Percentiles, Spread};
pub use histogram::{Histogram, NotAHistogram};
pub use jitter::Jitter;
pub use loss_directions::DirectedLosses;
pub use losses::Outage;
pub use one_way::{ClockSpan, OneWaySpreads, Reflected, SyncedSpreads};
pub use outcome::{Fate, Sent};

/// Converts a mean or a deviation in nanoseconds to a duration, rounded to the nearest nanosecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates, and no moment of spans is negative"
)]
fn from_nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.round() as u64)
}
