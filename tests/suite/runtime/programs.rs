//! Programs that know nothing of WASI, but use sockets through their standard library or tokio.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use udping_tests::{PATHS, Runtime, Server, file, free_port, guests, run, udping_host, wasmtime};

const ECHOES: [(&str, &[u8]); 2] =
    [("std_echo.wasm", guests::STD_ECHO), ("tokio_echo.wasm", guests::TOKIO_ECHO)];
const PINGERS: [(&str, &[u8]); 2] =
    [("std_pinger.wasm", guests::STD_PINGER), ("tokio_pinger.wasm", guests::TOKIO_PINGER)];

/// Each pinger against each server, as `runtime` runs both.
fn ping_each_other(runtime: impl Fn() -> Command) {
    for (echo, component) in ECHOES {
        let port = free_port().to_string();
        let server = Server::listening(runtime().arg(file(echo, component)).arg(&port));
        for (pinger, component) in PINGERS {
            let address = format!("127.0.0.1:{port}");
            let outcome = run(runtime().arg(file(pinger, component)).arg(address));
            let all = outcome.stdout.contains("10 sent, 10 received");
            assert!(all && outcome.code() == 0, "{pinger} against {echo}: {outcome:?}");
        }
        drop(server);
    }
}

#[test]
fn programs_ping_each_other_under_this_host() {
    for path in PATHS {
        ping_each_other(|| {
            let mut host = udping_host();
            host.args(path);
            host
        });
    }
}

#[test]
fn programs_ping_each_other_under_wasmtime() {
    if Runtime::Wasmtime.is_there() {
        ping_each_other(|| {
            let mut stock = wasmtime().unwrap();
            stock.args(["-S", "inherit-network"]);
            stock
        });
    }
}

/// They answer one by one, and what they send may leave together.
#[test]
fn every_datagram_of_a_burst_is_answered_in_order() {
    const BURST: u32 = 100;
    for path in PATHS {
        for (echo, component) in ECHOES {
            let port = free_port().to_string();
            let server =
                Server::listening(udping_host().args(path).arg(file(echo, component)).arg(&port));
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let to = format!("127.0.0.1:{port}");
            for round in 0..20 {
                let numbers: Vec<_> = (0..BURST).map(|number| round * BURST + number).collect();
                for number in &numbers {
                    // Every tenth is longer, and leaves by a call of its own.
                    let length = 4 + usize::from(number % 10 == 0);
                    let mut datagram = vec![0; length];
                    datagram[..4].copy_from_slice(&number.to_ne_bytes());
                    socket.send_to(&datagram, &to).unwrap();
                }
                let mut answer = [0; 10];
                let answers = numbers.iter().map(|_| {
                    socket.recv(&mut answer).expect("an answer to each");
                    u32::from_ne_bytes([answer[0], answer[1], answer[2], answer[3]])
                });
                assert_eq!(answers.collect::<Vec<_>>(), numbers, "{echo} {path:?}");
            }
            drop(server);
        }
    }
}
