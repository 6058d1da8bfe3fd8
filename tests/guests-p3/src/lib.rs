//! Shared parts of the guests for WASI 0.3. Those in `conformance/` check one behaviour each of
//! `wasi:sockets/types` or the clocks, and panic if it differs; those in `hostile/` attempt one abuse
//! each.
#![cfg(feature = "p3")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;

use futures_util::future::{Either, select};

pub use futures_util;
pub use udping_wasi;
pub use udping_wasi::bindings::wasi::clocks::monotonic_clock::{self, wait_for};
pub use udping_wasi::bindings::wasi::sockets::types::{
    ErrorCode, IpAddressFamily, IpSocketAddress, UdpSocket,
};

/// Exports an async function without arguments as a component.
#[macro_export]
macro_rules! guest {
    ($main:path) => {
        /// What the component exports.
        pub struct Component;

        impl $crate::udping_wasi::bindings::exports::wasi::cli::run::Guest for Component {
            fn run() -> Result<(), ()> {
                $crate::udping_wasi::program::run(async |_| Ok($main().await))
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::udping_wasi::bindings::export!(Component with_types_in $crate::udping_wasi::bindings);
    };
}

/// Both address families.
pub const FAMILIES: [IpAddressFamily; 2] = [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6];

/// The maximum wait for something that should happen soon, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;

/// The wait after which something that should not happen counts as not happening, in nanoseconds.
pub const A_WHILE: u64 = 50_000_000;

/// A loopback address of that family.
pub fn loopback(family: IpAddressFamily, port: u16) -> SocketAddr {
    match family {
        IpAddressFamily::Ipv4 => (IpAddr::from(Ipv4Addr::LOCALHOST), port).into(),
        IpAddressFamily::Ipv6 => (IpAddr::from(Ipv6Addr::LOCALHOST), port).into(),
    }
}

/// Creates a socket.
pub fn socket(family: IpAddressFamily) -> UdpSocket {
    UdpSocket::create(family).unwrap()
}

/// Creates a socket that is bound to a free port of loopback.
pub fn bound(family: IpAddressFamily) -> UdpSocket {
    let socket = socket(family);
    socket.bind(loopback(family, 0).into()).unwrap();
    socket
}

/// The local address of a socket.
pub fn address(socket: &UdpSocket) -> SocketAddr {
    socket.get_local_address().unwrap().into()
}

/// An address without a listener.
pub fn deserted(family: IpAddressFamily) -> SocketAddr {
    address(&bound(family))
}

/// Sends one datagram.
pub async fn send(
    socket: &UdpSocket,
    data: &[u8],
    to: Option<SocketAddr>,
) -> Result<(), ErrorCode> {
    socket.send(data.to_vec(), to.map(Into::into)).await
}

/// Returns what `call` returns within that many nanoseconds; else it is cancelled.
pub async fn within<T>(nanoseconds: u64, call: impl Future<Output = T>) -> Option<T> {
    match select(pin!(call), pin!(wait_for(nanoseconds))).await {
        Either::Left((returned, _)) => Some(returned),
        Either::Right(_) => None,
    }
}

/// Receives the next datagram.
pub async fn receive(socket: &UdpSocket) -> Result<(Vec<u8>, SocketAddr), ErrorCode> {
    let received = within(PATIENCE, socket.receive()).await.expect("nothing came");
    received.map(|(data, from)| (data, from.into()))
}

/// Receives the next datagram, of one byte.
pub async fn number(socket: &UdpSocket) -> u8 {
    receive(socket).await.unwrap().0[0]
}
