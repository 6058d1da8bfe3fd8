//! WASI 0.2: `wasi:sockets/udp`.

mod model;
mod program;

pub(crate) use model::Model;
#[cfg(test)]
pub(crate) use program::ACTIONS;
pub use program::{Action, Datagrams, Handle, Step, steps};
