//! Sends to 10.9.0.2 until there is no space, waits for some, and continues: 3 times.

use udping_test_guests::{IpAddressFamily, bind, datagram, socket};
use udping_wasi::console::Console;

fn main() {
    let here = socket(IpAddressFamily::Ipv4);
    bind(&here, ([0, 0, 0, 0], 0).into()).unwrap();
    let (_incoming, outgoing) = here.stream(None).unwrap();
    let writable = outgoing.subscribe();
    let list: Vec<_> =
        (0..10).map(|_| datagram(&[7; 1000], Some(([10, 9, 0, 2], 9).into()))).collect();
    for _ in 0..3 {
        let mut sent = 0;
        while let permitted @ 1.. = outgoing.check_send().unwrap() {
            sent += outgoing.send(&list[..list.len().min(permitted as usize)]).unwrap();
            assert!(sent < 10_000, "there is room for everything");
        }
        assert!(!writable.ready(), "no permit, and yet ready");
        writable.block();
        assert!(outgoing.check_send().unwrap() > 0, "ready, and yet no permit");
        Console::stdout().line(format_args!("full after {sent}")).unwrap();
    }
}

udping_test_guests::guest!(main);
