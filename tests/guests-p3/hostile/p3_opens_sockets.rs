//! Opens sockets, and never closes them.

use udping_test_guests_p3::{IpAddressFamily, socket};

async fn main() {
    let mut held = Vec::new();
    loop {
        held.push(socket(IpAddressFamily::Ipv4));
    }
}

udping_test_guests_p3::guest!(main);
