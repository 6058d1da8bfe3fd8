//! Connects and listens by TCP, for which this host has no grant.

use udping_wasi::bindings::wasi::cli::exit::exit;

#[allow(clippy::pedantic)]
mod tcp {
    wit_bindgen::generate!({
        inline: "
            package udping:test;
            world tcp {
                import wasi:sockets/instance-network@0.2.0;
                import wasi:sockets/tcp@0.2.0;
                import wasi:sockets/tcp-create-socket@0.2.0;
            }
        ",
        path: "../../wit",
        world: "udping:test/tcp",
        generate_all,
    });
}

use tcp::wasi::sockets::instance_network::instance_network;
use tcp::wasi::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use tcp::wasi::sockets::tcp_create_socket::create_tcp_socket;

fn main() {
    let network = instance_network();
    let at = |port| IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) });
    let listening = create_tcp_socket(IpAddressFamily::Ipv4).and_then(|socket| {
        socket.start_bind(&network, at(0))?;
        socket.finish_bind()
    });
    assert_eq!(listening, Err(ErrorCode::AccessDenied));
    let connecting = create_tcp_socket(IpAddressFamily::Ipv4)
        .and_then(|socket| socket.start_connect(&network, at(9)));
    assert_eq!(connecting, Err(ErrorCode::AccessDenied));
    exit(Err(()));
}

udping_test_guests::guest!(main);
