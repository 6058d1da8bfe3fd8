//! Writes to standard error without end, and uses the network enough not to be one that only computes.

use udping_net::console::Console;
use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let line = "all work and no play makes a dull guest ".repeat(100);
    loop {
        Console::stderr().line(&line).unwrap();
        socket.local_address().unwrap();
    }
}

udping_test_guests::guest!(main);
