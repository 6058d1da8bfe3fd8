//! What `wasi:sockets/udp` promises, as a model: programs of host calls, and what must come of
//! each.
//!
//! A program is a string of bytes, of which each is a step. So whatever makes bytes makes programs,
//! and every string of bytes is one. The guest `obeys` runs programs and says of each step in a
//! word what came of it; [`judge`] says whether that may be.

mod model;
mod program;

pub use model::{Backend, Traffic, judge};
pub use program::{
    Action, Buffer, Datagrams, Family, Handle, Local, Remote, SKIPPED, SOCKETS, Step, hex, steps,
    unhex,
};
