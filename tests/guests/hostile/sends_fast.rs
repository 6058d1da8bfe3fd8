//! Sends as fast as it can for two seconds, and prints how many datagrams that was.

use udping_test_guests::{IpAddressFamily, bound, datagram};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::now;
use udping_wasi::console::Console;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    let list: Vec<_> =
        (0..16).map(|_| datagram(&[1; 100], Some(([127, 0, 0, 1], 9).into()))).collect();
    let (start, mut sent) = (now(), 0);
    while now() - start < 2_000_000_000 {
        match outgoing.check_send().unwrap() {
            0 => outgoing.subscribe().block(),
            permitted => {
                sent += outgoing.send(&list[..list.len().min(permitted as usize)]).unwrap_or(0);
            }
        }
    }
    Console::stdout().line(format_args!("sent {sent}")).unwrap();
}

udping_test_guests::guest!(main);
