//! A server with several addresses answers each datagram from the address it was sent to.

use udping_tests::namespace::Namespace;
use udping_tests::{Outcome, PATHS, Server, file, guests, host_program, run};

/// Namespaces of a client and of a server, which has two addresses of each family on the wire, and
/// one on another interface.
fn multihomed() -> [Namespace; 2] {
    let [here, there] = Namespace::pair();
    for namespace in [&here, &there] {
        // Otherwise an address is tentative until duplicate address detection ends (RFC 4862).
        namespace
            .tool("sysctl", "-qw net.ipv6.conf.wire.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
    }
    there.ip("addr add 10.9.0.3/24 dev wire");
    there.ip("addr add 10.9.7.7/32 dev lo");
    here.ip("route add 10.9.7.7/32 dev wire");
    here.ip("-6 addr add fd09::1/64 dev wire nodad");
    for address in ["fd09::2", "fd09::3", "fe80::42"] {
        there.ip(&format!("-6 addr add {address}/64 dev wire nodad"));
    }
    [here, there]
}

const PINGS: [&str; 6] = ["-c", "6", "-i", "20ms", "-W", "2s"];

/// The index of the wire's interface.
fn index(namespace: &Namespace) -> String {
    let output = namespace.command("ip").args(["-o", "link", "show", "wire"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    shown.split(':').next().unwrap().to_owned()
}

#[track_caller]
fn assert_all_answered(outcome: &Outcome, what: &str) {
    assert_eq!((outcome.code(), outcome.seqs("rtt=").len()), (0, 6), "{what}: {outcome:?}");
}

#[test]
fn each_address_that_is_asked_answers() {
    let workers: &[&str] = &["--workers", "2"];
    for path in PATHS.into_iter().chain([workers]) {
        let [here, there] = multihomed();
        let mut server =
            Server::listening(there.command(host_program()).args(path).args(["server", "12000"]));
        if path == workers {
            server.process.line();
        }
        let link = format!("fe80::42%{}", index(&here));
        for address in ["10.9.0.2", "10.9.0.3", "10.9.7.7", "fd09::2", "fd09::3", &link] {
            for burst in ["1", "3"] {
                let mut client = here.command(host_program());
                client
                    .args(path.iter().filter(|_| path != workers))
                    .args(["client", address, "12000", "--burst", burst]);
                assert_all_answered(&run(client.args(PINGS)), &format!("{path:?}, {address}"));
            }
        }
        // On loopback, any address of 127/8.
        let mut client = there.command(host_program());
        assert_all_answered(
            &run(client.args(["client", "127.0.0.2", "12000"]).args(PINGS)),
            "loopback",
        );
        let outcome = server.stop();
        assert!(
            outcome.lines_with(" received, ").iter().all(|line| !line.contains("not sent")),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_component_that_knows_nothing_of_it_answers_from_there_too() {
    let [here, there] = multihomed();
    let echoes = file("echoes.wasm", guests::ECHOES);
    for path in PATHS {
        let mut host = there.command(host_program());
        host.args(path).args(["--allow-listen", "0"]).arg(&echoes);
        let server = Server::listening(&mut host);
        let port = server.addresses[0].port().to_string();
        for address in ["10.9.0.3", "10.9.7.7", "10.9.0.2"] {
            let client =
                run(here.command(host_program()).args(["client", address, &port]).args(PINGS));
            assert_all_answered(&client, address);
        }
    }
}

/// Sends to two addresses of a server from one socket, alternately, and prints the sources of the
/// answers: in bursts, by whole batches of the kernel's, and each after the other's answer. The
/// payload is always the same, so that only the order distinguishes them.
const TURNS: &str = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(30)
to = [('10.9.0.3', 12000), ('10.9.0.2', 12000)]
def ask(turns):
    for t in turns: s.sendto(b'the same', to[t])
    return [s.recvfrom(99)[1] for _ in turns] == [to[t] for t in turns]
print(ask([0]), ask([1]), ask([0, 1]), ask([0, 0, 1, 0, 1, 1]), ask([i % 2 for i in range(60)]), ask([i % 3 % 2 for i in range(60)]))";

#[test]
fn port_querying_two_addresses_gets_ordered_replies_from_each() {
    for path in PATHS {
        let [here, there] = multihomed();
        let _server = Server::listening(there.command(host_program()).args(path).args([
            "server",
            "12000",
            "--echo-all",
        ]));
        let outcome = run(here.command("python3").args(["-c", TURNS]));
        assert_eq!(outcome.stdout, "True True True True True True\n", "{path:?}: {outcome:?}");
    }
}

#[test]
fn what_is_left_out_on_purpose_does_not_mix_two_addresses_up() {
    for (path, protocol) in PATHS.into_iter().zip(["text", "stamp", "stamp"]) {
        let [here, there] = multihomed();
        let mut server = there.command(host_program());
        server.args(path).args([
            "server",
            "12000",
            "--protocol",
            protocol,
            "--drop-rate",
            "40",
            "--seed",
            "3",
        ]);
        let server = Server::listening(&mut server);
        let mut client = here.command(host_program());
        client.args([
            "-S",
            "inherit-network",
            "client",
            "10.9.0.2",
            "12000",
            "--target",
            "10.9.0.3:12000",
            "--protocol",
            protocol,
        ]);
        let outcome = run(client
            .args(["-c", "200", "-i", "10ms", "--burst", "10", "-W", "1s", "--format", "json"]));
        let served = server.stop();
        let dropped = served
            .stdout
            .split(", ")
            .find_map(|part| part.trim().strip_suffix(" dropped")?.parse().ok());
        let total: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        let total = &total["total"];
        assert_eq!(total["foreign"], 0, "{path:?}, {protocol}: {total}");
        assert_eq!(total["lost"].as_u64(), dropped, "{path:?}, {protocol}: {total}, {served:?}");
        assert!(dropped.is_some_and(|dropped: u64| dropped > 50), "{served:?}");
    }
}

/// Sends coalesced datagrams (`UDP_SEGMENT`) to one of a server's addresses, until a batch of its
/// answers has arrived.
const TOGETHER: &str = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(30)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20); s.setsockopt(17, 103, 100)
sources = set()
for _ in range(100):
    s.sendto(b'x' * 3000, ('10.9.0.3', 12000))
    for _ in range(30): sources.add(s.recvfrom(9999)[1])
print(sources)";

#[test]
fn datagrams_that_travel_together_are_answered_from_there() {
    for path in PATHS {
        let [here, there] = multihomed();
        let _server = Server::listening(there.command(host_program()).args(path).args([
            "server",
            "12000",
            "--echo-all",
        ]));
        let outcome = run(here.command("python3").args(["-c", TOGETHER]));
        assert_eq!(outcome.stdout, "{('10.9.0.3', 12000)}\n", "{path:?}: {outcome:?}");
    }
}
