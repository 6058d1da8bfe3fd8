//! What the process may take that compiles a component.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use humantime::format_duration;

/// What the compilation of a component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Memory of the process that compiles it.
    pub memory: ByteSize,
    /// Processor time, and time that passes.
    pub time: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        // A component of 20 MB, as componentize-py makes them, takes a quarter of that.
        Self { memory: ByteSize::gib(2), time: Duration::from_mins(1) }
    }
}

/// As a list goes on.
impl fmt::Display for CompileLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} to compile", self.memory, format_duration(self.time))
    }
}
