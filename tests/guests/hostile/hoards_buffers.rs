//! Opens many sockets with the largest buffers, fills them with datagrams, and makes the host check
//! all of them.

use udping_test_guests::{IpAddressFamily, address, bound, datagram};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::console::Console;
use udping_wasi::poll;

const SOCKETS: usize = 250;

fn main() {
    let sockets: Vec<_> = (0..SOCKETS).map(|_| bound(IpAddressFamily::Ipv4)).collect();
    let mut reserved = 0;
    for socket in &sockets {
        socket.set_receive_buffer_size(4 << 20).unwrap();
        socket.set_send_buffer_size(4 << 20).unwrap();
    }
    for socket in &sockets {
        reserved += socket.receive_buffer_size().unwrap() + socket.send_buffer_size().unwrap();
    }
    let streams: Vec<_> = sockets.iter().map(|socket| socket.stream(None).unwrap()).collect();
    let readable: Vec<_> = streams.iter().map(|(incoming, _)| incoming.subscribe()).collect();
    // Each is sent more than its buffer holds, repeatedly, since datagrams received by the host
    // free space in the kernel; and each is checked by the host, which receives larger batches
    // after it has found some.
    for _ in 0..4 {
        for (socket, (_, outgoing)) in sockets.iter().zip(&streams) {
            for _ in 0..16 {
                let list: Vec<_> =
                    (0..8).map(|_| datagram(&vec![7; 60_000], Some(address(socket)))).collect();
                if outgoing.check_send().unwrap() >= 8 {
                    let _ = outgoing.send(&list);
                }
            }
        }
        let mut waited_for: Vec<_> = readable.iter().collect();
        let now = subscribe_duration(0);
        waited_for.push(&now);
        poll::poll(&waited_for);
        for (incoming, _) in &streams {
            let _ = incoming.receive(1);
        }
    }
    Console::stdout().line(format_args!("reserved {reserved}")).unwrap();
    subscribe_duration(60_000_000_000).block();
}

udping_test_guests::guest!(main);
