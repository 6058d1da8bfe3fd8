//! Waiting: `wasi:io/poll`.

pub use crate::bindings::wasi::io::poll::{Pollable, poll};
