//! The pinger and the echo server as state machines, without I/O.
//!
//! Nothing here opens a socket, reads a clock or knows that it may run in WebAssembly: `now` is an argument, datagrams are
//! byte slices, and what happened comes out as [`pinger::Event`]s. So every rule of the pinger is tested natively, with
//! time as data.

pub mod auth;
pub mod buckets;
pub mod cycles;
pub mod delays;
pub mod duration;
pub mod echo;
pub mod events;
pub mod flow;
pub mod in_flight;
pub mod loops;
pub mod loss_directions;
pub mod one_way;
pub mod pinger;
pub mod protocol;
pub mod report;
pub mod schedule;
pub mod seq;
pub mod server;
pub mod stamp;
pub mod stats;
pub mod summary;
pub mod time;
pub mod wire;
