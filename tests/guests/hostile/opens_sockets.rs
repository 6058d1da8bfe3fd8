//! Opens sockets, and never closes them.

use udping_test_guests::{IpAddressFamily, socket};

fn main() {
    let mut open = Vec::new();
    loop {
        open.push(socket(IpAddressFamily::Ipv4));
    }
}

udping_test_guests::guest!(main);
