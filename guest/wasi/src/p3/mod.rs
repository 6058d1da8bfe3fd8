//! WASI 0.3, where a component waits in its calls.
//!
//! A call that does not return at once goes on while others are made: what would be a pollable of
//! WASI 0.2 is such a call ([`poll::Pollable`]).

pub mod clock;
mod error;
pub mod input;
pub mod output;
pub mod poll;
pub mod question;
pub mod random;
pub mod udp;

pub(crate) use bindings::wasi::sockets::types as sockets;
pub use error::ErrorCode;

#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/p3",
        world: "guest",
        generate_all,
        pub_export_macro: true,
        // The program waits in `poll::block_on`.
        async: ["-export:wasi:cli/run@0.3.0#run"],
    });
}
