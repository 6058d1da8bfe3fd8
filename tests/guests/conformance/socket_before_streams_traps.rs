//! Dropping a socket before its streams traps.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let _streams = socket.stream(None).unwrap();
    drop(socket);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
