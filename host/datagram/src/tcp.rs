//! `wasi:sockets/tcp-create-socket`, which always denies TCP and reports the attempt.

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::{self, Host};
use wasmtime_wasi::p2::{SocketResult, TcpSocket};

use crate::network::{ErrorCode, IpAddressFamily, NetworkView};

/// Adds `wasi:sockets/tcp-create-socket` to `linker`, with the state that `view` returns.
///
/// # Errors
///
/// If the linker has it already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> NetworkView<'_>,
) -> wasmtime::Result<()> {
    tcp_create_socket::add_to_linker::<_, InState>(linker, view)
}

struct InState;

impl HasData for InState {
    type Data<'a> = NetworkView<'a>;
}

impl Host for NetworkView<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.sockets.permissions.refuse_tcp();
        Err(ErrorCode::AccessDenied.into())
    }
}
