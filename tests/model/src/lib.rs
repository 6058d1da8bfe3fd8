//! A model of what `wasi:sockets` promises of UDP, for each version of WASI: programs of host calls,
//! and the outcomes that each call may have.
//!
//! A program is a string of bytes, one per step. So every source of bytes is a source of programs,
//! and every string of bytes is a valid one. The guest `obeys` of that version runs programs and
//! prints the outcome of each step as a word; [`judge`] checks whether that is allowed.

mod addresses;
mod clocks;
mod encoding;
mod judge;
mod network;
mod options;
mod outcome;
pub mod p2;
pub mod p3;
mod payload;

pub use addresses::{Family, Local, Remote};
pub use clocks::Clocks;
pub use encoding::{hex, unhex};
pub use judge::{Backend, Version, judge};
pub use network::Traffic;
pub use options::SocketOption;
pub use payload::{TOO_LARGE, payload};

/// The maximum number of sockets that a program has at a time.
pub const SOCKETS: usize = 3;

/// The outcome of a step that lacks its handle, such as a stream that does not exist: no call is
/// made.
pub const SKIPPED: &str = "-";

/// A buffer in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The receive buffer.
    Receive,
    /// The send buffer.
    Send,
}

/// A step: an action on one of the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<Action> {
    /// The index of the socket, below [`SOCKETS`].
    pub socket: usize,
    /// The action on it.
    pub action: Action,
}
