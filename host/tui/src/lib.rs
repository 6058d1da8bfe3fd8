//! Shows the round-trip time and loss of UDP targets in a terminal, while they are pinged.
//!
//! This crate draws, and holds the state of what is drawn. It runs no component and opens no socket:
//! the targets are pinged by a process `udping-host client --format jsonl`, whose events it reads.
//!
//! Events pass through `feed` to the `state` of the targets, which `view` draws on the `screen`.
//! `session` has the loop.

mod action;
mod feed;
mod format;
mod history;
mod look;
mod screen;
mod session;
mod signals;
mod state;
mod summary;
mod target;
mod view;

pub use look::Look;
pub use session::{Ended, Settings, run};
