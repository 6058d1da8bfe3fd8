//! The interfaces of WASI that this host serves itself: UDP, names and clocks. At each use they ask [`permissions`], a trait, and know
//! neither grants nor limits.

pub mod addresses;
#[cfg(target_os = "linux")]
pub mod clock;
pub mod lookup;
pub mod network;
pub mod permissions;
#[cfg(target_os = "linux")]
mod reactor;
pub mod udp;

use std::time::Duration;

/// What this thread has computed so far: not the time that others had the processor.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time that passed, where the thread's own is not to be had.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
