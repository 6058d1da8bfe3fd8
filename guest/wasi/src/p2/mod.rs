//! WASI 0.2, where a component waits by `wasi:io/poll`.

pub mod clock;
pub mod input;
pub mod output;
pub mod poll;
pub mod question;
pub mod random;
pub mod udp;

pub(crate) use bindings::wasi::sockets::network as sockets;
pub use bindings::wasi::sockets::network::ErrorCode;

#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "guest",
        generate_all,
        pub_export_macro: true,
    });
}
