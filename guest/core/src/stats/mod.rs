//! What a run's numbers mean, in memory that does not grow with its length. They know neither pings
//! nor datagrams, but what became of one.

pub(crate) mod delays;
pub(crate) mod distribution;
pub(crate) mod jitter;
pub(crate) mod loss_directions;
pub(crate) mod losses;
pub(crate) mod one_way;
pub(crate) mod outcome;
pub(crate) mod reordering;

pub use delays::Measured;
pub use distribution::{Distribution, Percentiles, Spread};
pub use loss_directions::DirectedLosses;
pub use losses::Outage;
pub use one_way::{ClockSpan, OneWaySpreads, Reflected, SyncedSpreads};
pub use outcome::{Fate, Sent};
