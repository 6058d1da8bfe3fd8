//! The limits of the process that compiles a component.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use humantime::format_duration;

/// The maximum resources for compiling a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// The maximum memory of the compiling process.
    pub memory: ByteSize,
    /// The maximum processor time, and the maximum elapsed time.
    pub time: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        // A component of 20 MB, as made by componentize-py, takes a quarter of that.
        Self { memory: ByteSize::gib(2), time: Duration::from_mins(1) }
    }
}

/// Formats the limits as part of a list.
impl fmt::Display for CompileLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} to compile", self.memory, format_duration(self.time))
    }
}
