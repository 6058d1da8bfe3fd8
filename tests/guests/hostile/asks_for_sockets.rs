//! Opens as many sockets as the system allows, and keeps asking for more, in vain.

use udping_test_guests::IpAddressFamily;
use udping_wasi::bindings::wasi::sockets::udp_create_socket::create_udp_socket;
use udping_wasi::console::Console;

fn main() {
    let mut open = Vec::new();
    while let Ok(socket) = create_udp_socket(IpAddressFamily::Ipv4) {
        open.push(socket);
    }
    for _ in 0..1_000 {
        assert!(create_udp_socket(IpAddressFamily::Ipv4).is_err(), "there was one more");
    }
    drop(open.pop());
    open.push(create_udp_socket(IpAddressFamily::Ipv4).unwrap());
    Console::stdout().line("as many as there were").unwrap();
}

udping_test_guests::guest!(main);
