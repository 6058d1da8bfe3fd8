//! What a run's numbers mean, in memory that does not grow with its length.

pub mod distribution;
pub mod jitter;
pub mod losses;
pub mod reordering;

pub use distribution::{Distribution, Percentiles, Spread};
pub use jitter::Jitter;
pub use losses::{Losses, Outage};
pub use reordering::Reordering;
