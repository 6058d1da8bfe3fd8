//! Makes calls that need no datagram endlessly, as its argument says.

use udping_test_guests::{IpAddressFamily, bound, datagram};
use udping_wasi::bindings::wasi::cli::environment::get_arguments;
use udping_wasi::bindings::wasi::clocks::monotonic_clock::{now, subscribe_duration};
use udping_wasi::bindings::wasi::sockets::instance_network::instance_network;
use udping_wasi::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;
use udping_wasi::console::Console;
use udping_wasi::{poll, random};

/// How often a list names the same pollable: twice as many borrowed handles are within the limit.
const NAMES: usize = 7_000;

fn main() {
    let (mode, console) = (get_arguments().remove(1), Console::stdout());
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    let readable = incoming.subscribe();
    loop {
        match mode.as_str() {
            "family" => assert_eq!(socket.address_family(), IpAddressFamily::Ipv4),
            "literal" => drop(
                resolve_addresses(&instance_network(), "192.0.2.7").unwrap().resolve_next_address(),
            ),
            "poll" => drop(poll::poll(&[&readable, &subscribe_duration(0)])),
            "long poll" => {
                let timer = subscribe_duration(0);
                let names = [vec![&readable; NAMES], vec![&timer; NAMES]].concat();
                assert_eq!(poll::poll(&names).len(), NAMES);
            }
            "block" => subscribe_duration(1).block(),
            "ready" => assert!(!readable.ready()),
            "subscribe" => drop((incoming.subscribe(), outgoing.subscribe(), socket.subscribe())),
            "receive" => assert!(incoming.receive(64).unwrap().is_empty()),
            "check" => assert!(outgoing.check_send().unwrap() > 0),
            "refused" | "too large" => {
                outgoing.check_send().unwrap();
                let (bytes, to) = if mode == "refused" { (1, 8) } else { (65_528, 7) };
                outgoing
                    .send(&[datagram(&vec![1; bytes], Some(([192, 0, 2, to], 9).into()))])
                    .unwrap_err();
            }
            "bind" => drop(bound(IpAddressFamily::Ipv4)),
            "buffer" => socket.set_receive_buffer_size(100_000).unwrap(),
            "random" => {
                random::seed();
            }
            "time" => assert!(now() > 0),
            "output" => console.write("x").unwrap(),
            other => panic!("{other:?} is no mode"),
        }
    }
}

udping_test_guests::guest!(main);
