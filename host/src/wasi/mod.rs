//! The interfaces of WASI that this host serves itself: UDP, names and clocks. They ask [`crate::permissions`] at each use, and know
//! neither how these came about nor what runs.

pub mod addresses;
#[cfg(target_os = "linux")]
pub mod clock;
pub mod lookup;
pub mod network;
#[cfg(target_os = "linux")]
mod reactor;
pub mod udp;
