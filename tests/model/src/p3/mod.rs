//! WASI 0.3: UDP of `wasi:sockets/types`.

mod model;
mod program;

pub(crate) use model::Model;
#[cfg(test)]
pub(crate) use program::ACTIONS;
pub use program::{Action, BOUND, Handle, KEPT, NONE, Step, steps};
