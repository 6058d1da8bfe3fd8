//! WASI 0.2: `wasi:sockets/udp`.

mod model;
mod program;

pub use model::judge;
#[cfg(test)]
pub(crate) use program::ACTIONS;
pub use program::{Action, Datagrams, Handle, Step, steps};
