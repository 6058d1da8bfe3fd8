//! Creates pollables, and never drops them.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let mut held = Vec::new();
    loop {
        held.push(socket.subscribe());
    }
}

udping_test_guests::guest!(main);
