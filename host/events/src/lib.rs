//! A client in a process of its own, and the events that it writes: what the exporter counts, and
//! the TUI shows.
//!
//! The process is `udping-host --log json --targets - client --format jsonl`: it reads targets from
//! standard input, and writes [`Event`]s to standard output and [`LogRecord`]s to standard error.

mod client;
mod event;
mod lines;

pub use client::Client;
pub use event::{Config, Event, LogRecord, Start};
pub use lines::Lines;
