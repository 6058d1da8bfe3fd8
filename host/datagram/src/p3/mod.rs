//! WASI 0.3: `wasi:sockets/types` and `ip-name-lookup`, `wasi:clocks` and `wasi:random`, over the same
//! [`World`](crate::World) and [`Permissions`](crate::Permissions) as those of 0.2.
//!
//! There, `send` and `receive` take one datagram per call. What a component receives is prefetched in
//! batches, so that most of its calls return at once; and while it answers such a batch, its answers
//! are gathered until it waits. After a `receive`, the first reading of each clock returns when the
//! datagram arrived, and after a `send`, when it left ([`crate::Clock`]).
//!
//! There are no pollables: a component waits in its own calls. An embedder runs it by
//! [`run_concurrent`], which learns when it waits.

mod addresses;
pub mod clocks;
mod error;
mod lookup;
pub mod random;
mod run;
pub mod sockets;
mod tcp;
mod udp;

pub use error::SocketError;
pub use run::run_concurrent;
pub use tcp::Socket as TcpSocket;

use wasmtime::component::Linker;

use crate::view::View;

#[allow(missing_docs)]
#[allow(unsafe_code, reason = "bindgen implements unsafe traits of wasmtime's")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/p3",
        interfaces: "
            import wasi:sockets/types@0.3.0;
            import wasi:sockets/ip-name-lookup@0.3.0;
        ",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:sockets/types.error-code" => crate::p3::SocketError,
        },
        with: {
            "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
            "wasi:sockets/types.tcp-socket": crate::p3::TcpSocket,
            "wasi:sockets/types.udp-socket": crate::udp::Channel,
        },
    });
}

pub use bindings::wasi::sockets::types::ErrorCode;
pub(crate) use bindings::wasi::sockets::{ip_name_lookup, types};

/// Adds all interfaces of this module to `linker`, with the state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    sockets::add_to_linker(linker, view)?;
    clocks::add_to_linker(linker, view)?;
    random::add_to_linker(linker, view)
}
