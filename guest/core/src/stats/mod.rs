//! What a run's numbers mean, in memory that does not grow with its length. They know neither pings nor datagrams, but what became of
//! one.

pub mod delays;
pub mod distribution;
pub mod jitter;
pub mod loss_directions;
pub mod losses;
pub mod one_way;
pub mod outcome;
pub mod reordering;

pub use distribution::{Distribution, Percentiles, Spread};
pub use jitter::Jitter;
pub use losses::{Losses, Outage};
pub use reordering::Reordering;
