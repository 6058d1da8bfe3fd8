//! The pinger and the echo server as state machines, without I/O.
//!
//! Nothing here opens a socket, reads a clock or knows that it may run in WebAssembly: `now` is an argument, datagrams are
//! byte slices, and what happened comes out as [`client::events::Event`]s. So every rule of the pinger is tested natively, with
//! time as data.

pub mod client;
pub mod duration;
pub mod seq;
pub mod server;
pub mod stats;
pub mod time;
pub mod wire;
