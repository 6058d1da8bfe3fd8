//! The bindings of `wasi:sockets`: `crate::wit` and `crate::lookup` implement them.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{Host, HostNetwork};
use wasmtime_wasi::p2::{Network, SocketError};

pub use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress,
};

use crate::view::{View, Viewed};

#[allow(missing_docs)]
#[allow(unsafe_code, reason = "bindgen implements unsafe traits of wasmtime's")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        interfaces: "
            import wasi:sockets/ip-name-lookup@0.2.0;
            import wasi:sockets/udp@0.2.0;
            import wasi:sockets/udp-create-socket@0.2.0;
        ",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/ip-name-lookup.resolve-address-stream": crate::addresses::Addresses,
            "wasi:sockets/udp.udp-socket": crate::udp::Socket,
            "wasi:sockets/udp.incoming-datagram-stream": crate::udp::Incoming,
            "wasi:sockets/udp.outgoing-datagram-stream": crate::udp::Outgoing,
        },
    });
}

pub(crate) use bindings::wasi::sockets::{ip_name_lookup, udp, udp_create_socket};

/// Adds `wasi:sockets/udp`, `udp-create-socket` and `ip-name-lookup` to `linker`, with the state
/// that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<_, Viewed>(linker, view)?;
    udp::add_to_linker::<_, Viewed>(linker, view)?;
    udp_create_socket::add_to_linker::<_, Viewed>(linker, view)
}

// Required by bindgen to lower SocketError; the linker uses wasmtime-wasi's network interface.
impl Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}
