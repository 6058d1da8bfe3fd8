//! `wasi:sockets/tcp-create-socket`, which always denies TCP and reports the attempt.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::{self, Host};
use wasmtime_wasi::p2::{SocketResult, TcpSocket};

use crate::sockets::{ErrorCode, IpAddressFamily};
use crate::view::{View, Viewed};

/// Adds `wasi:sockets/tcp-create-socket` to `linker`, with the state that `view` returns.
///
/// # Errors
///
/// If the linker has it already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    tcp_create_socket::add_to_linker::<_, Viewed>(linker, view)
}

impl Host for View<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.sockets.permissions.refuse_tcp();
        Err(ErrorCode::AccessDenied.into())
    }
}
