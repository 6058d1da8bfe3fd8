//! This process itself: its privileges, signals, output, files and exit code. It knows nothing of
//! components.

pub mod activation;
pub mod allocator;
pub mod digest;
pub mod exit;
#[cfg(target_os = "linux")]
pub mod handed_over;
pub mod helper;
pub mod interrupt;
pub mod log;
pub mod own_addresses;
pub mod printable;
pub mod resolver;
pub mod signals;
pub mod standard_error;
pub mod standard_output;
pub mod trust;
