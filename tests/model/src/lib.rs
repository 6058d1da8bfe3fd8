//! A model of what `wasi:sockets/udp` promises: programs of host calls, and the outcomes that each
//! call may have.
//!
//! A program is a string of bytes, one per step. So every source of bytes is a source of programs,
//! and every string of bytes is a valid one. The guest `obeys` runs programs and prints the outcome
//! of each step as a word; [`judge`] checks whether that is allowed.

mod model;
mod program;

pub use model::{Backend, Traffic, judge};
pub use program::{
    Action, Buffer, Datagrams, Family, Handle, Local, Remote, SKIPPED, SOCKETS, Step, hex, steps,
    unhex,
};
