//! Creating new streams while the old ones exist traps.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let _streams = socket.stream(None).unwrap();
    let _ = socket.stream(None);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
