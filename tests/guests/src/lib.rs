//! Shared parts of the guests. Those in `conformance/` check one behaviour each of
//! `wasi:sockets/udp`, clocks or `wasi:io/poll`, and panic if it differs; those in `hostile/`
//! attempt one abuse each, and panic if it succeeds; those in `examples/` serve one test each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::bindings::wasi::sockets::instance_network::instance_network;
use udping_wasi::bindings::wasi::sockets::udp_create_socket::create_udp_socket;

pub use udping_wasi;
pub use udping_wasi::bindings::wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress,
};
pub use udping_wasi::bindings::wasi::sockets::udp::{
    IncomingDatagram, IncomingDatagramStream, OutgoingDatagram, OutgoingDatagramStream, UdpSocket,
};

/// Like [`guest`], for a component that declares udping-host's contract.
#[macro_export]
macro_rules! guest_with_notices {
    ($main:path) => {
        $crate::guest!($main);
        $crate::udping_wasi::declare_notices!(Component);
    };
}

/// Exports a function without arguments as a component.
#[macro_export]
macro_rules! guest {
    ($main:path) => {
        /// What the component exports.
        pub struct Component;

        impl $crate::udping_wasi::bindings::exports::wasi::cli::run::Guest for Component {
            fn run() -> Result<(), ()> {
                $crate::udping_wasi::program::run(async |_| Ok($main()))
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
    create_udp_socket(family).unwrap()
}

/// Binds a socket, in both steps.
pub fn bind(socket: &UdpSocket, local: SocketAddr) -> Result<(), ErrorCode> {
    socket.start_bind(&instance_network(), local.into())?;
    loop {
        match socket.finish_bind() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            other => return other,
        }
    }
}

/// Creates a socket that is bound to a free port of loopback.
pub fn bound(family: IpAddressFamily) -> UdpSocket {
    let socket = socket(family);
    bind(&socket, loopback(family, 0)).unwrap();
    socket
}

/// The local address of a socket.
pub fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_address().unwrap().into()
}

/// An address without a listener.
pub fn deserted(family: IpAddressFamily) -> SocketAddr {
    address(&bound(family))
}

/// Creates a datagram.
pub fn datagram(data: &[u8], to: Option<SocketAddr>) -> OutgoingDatagram {
    OutgoingDatagram { data: data.to_vec(), remote_address: to.map(Into::into) }
}

/// Sends one datagram, as soon as there is space.
pub fn send(
    stream: &OutgoingDatagramStream,
    data: &[u8],
    to: Option<SocketAddr>,
) -> Result<(), ErrorCode> {
    loop {
        if stream.check_send()? > 0 && stream.send(&[datagram(data, to)])? == 1 {
            return Ok(());
        }
        stream.subscribe().block();
    }
}

/// Waits for the next datagram and returns it.
pub fn receive(stream: &IncomingDatagramStream) -> Result<IncomingDatagram, ErrorCode> {
    let readable = stream.subscribe();
    let late = subscribe_duration(PATIENCE);
    loop {
        if let Some(datagram) = stream.receive(1)?.pop() {
            return Ok(datagram);
        }
        let ready = udping_wasi::poll::poll(&[&readable, &late]);
        assert!(ready.contains(&0), "nothing came");
    }
}

/// Sleeps that many nanoseconds.
pub fn pause(nanoseconds: u64) {
    subscribe_duration(nanoseconds).block();
}
