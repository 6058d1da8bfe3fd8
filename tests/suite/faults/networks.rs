//! Networks that fail, in namespaces: an error concerns one datagram, and the next one is sent.

use std::process::Command;
use std::thread;
use std::time::Duration;

use udping_tests::namespace::Namespace;
use udping_tests::{PATHS, Process, Runtime, Server, file, guests, host_program, run};

#[test]
fn a_client_outlives_its_interface() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let server = Server::listening(
            there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]),
        );
        let arguments = ["client", "10.9.0.2", "12000", "-c", "20", "-i", "100ms", "-W", "300ms"];
        let mut client = Process::start(here.command(host_program()).args(path).args(arguments));
        while !client.line().contains("seq=3 rtt=") {}
        here.ip("link set wire down");
        thread::sleep(Duration::from_millis(500));
        here.ip("link set wire up");
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let unsent = outcome.seqs("not sent");
        assert!(unsent.len() >= 3, "{outcome:?}");
        // Nothing unsent counts as lost, but the time without a link is in the summary.
        let summary = outcome.lines_with(" received, ").concat();
        assert!(summary.contains(&format!(", {} not sent (", unsent.len())), "{outcome:?}");
        let outage = outcome.lines_with("longest outage ").concat();
        assert!(
            outage.contains(&format!("{} not sent)", unsent.len()))
                && !outage.contains("outage 0 "),
            "{outage}"
        );
        let answered = outcome.seqs("rtt=");
        assert!(answered.iter().any(|seq| seq > unsent.last().unwrap()), "{outcome:?}");
        drop(server);
    }
}

#[test]
fn an_address_that_goes_away_costs_the_pings_of_that_time() {
    for path in PATHS {
        for end in ["10.9.0.1", "10.9.0.2"] {
            let [here, there] = Namespace::pair();
            let arguments = ["server", "12000", "--bind", "10.9.0.2"];
            let server =
                Server::listening(there.command(host_program()).args(path).args(arguments));
            let arguments =
                ["client", "10.9.0.2", "12000", "-c", "30", "-i", "50ms", "-W", "300ms"];
            let mut client =
                Process::start(here.command(host_program()).args(path).args(arguments));
            while !client.line().contains("seq=3 rtt=") {}
            let side = if end == "10.9.0.1" { &here } else { &there };
            side.ip(&format!("addr del {end}/24 dev wire"));
            thread::sleep(Duration::from_millis(500));
            side.ip(&format!("addr add {end}/24 dev wire"));
            let outcome = client.wait();
            assert_eq!(outcome.code(), 0, "{outcome:?}");
            let failed = [outcome.seqs("not sent"), outcome.seqs("lost")].concat();
            assert!(failed.len() >= 3, "{path:?}, {end}: {outcome:?}");
            let answered = outcome.seqs("rtt=");
            let mut told = [failed.as_slice(), answered.as_slice()].concat();
            told.sort_unstable();
            told.dedup();
            assert_eq!(told, (4..=30).collect::<Vec<_>>(), "{path:?}, {end}: {outcome:?}");
            assert!(
                answered.iter().any(|seq| seq > failed.iter().max().unwrap()),
                "{path:?}, {end}: {outcome:?}"
            );
            assert_eq!(server.stop().code(), 0);
        }
    }
}

#[test]
fn a_server_that_cannot_answer_one_client_answers_the_next() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        here.ip("addr add 10.9.0.3/24 dev wire");
        there.ip("route add unreachable 10.9.0.1/32");
        let arguments = ["server", "12000", "--bind", "10.9.0.2", "-v"];
        let mut server =
            Server::listening(there.command(host_program()).args(path).args(arguments));
        let both = "import socket
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
s[0].bind(('10.9.0.1', 0)); s[1].bind(('10.9.0.3', 0))
for i in range(20): s[i % 2].sendto(b'ping %d' % i, ('10.9.0.2', 12000))
s[1].settimeout(10)
print([s[1].recv(99) for _ in range(10)] == [b'ping %d' % i for i in range(1, 20, 2)])
s[0].settimeout(0.2)
try: s[0].recv(9); print('answered')
except TimeoutError: print('not answered')";
        let outcome = run(here.command("python3").args(["-c", both]));
        assert_eq!(outcome.stdout, "True\nnot answered\n", "{path:?}: {outcome:?}");
        while !server.process.line().contains("cannot send to 10.9.0.1") {}
        let outcome = server.stop();
        assert!(
            outcome.stdout.ends_with("20 received, 10 answered, 0 dropped, 10 not sent\n"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_full_send_buffer_is_waited_for() {
    for path in PATHS {
        let [here, _there] = Namespace::pair();
        here.tool("tc", "qdisc add dev wire root tbf rate 20mbit burst 5kb limit 10mb");
        here.ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev wire nud permanent");
        let fills = file("fills.wasm", guests::FILLS);
        let outcome =
            run(here.command(host_program()).args(path).args(["-S", "inherit-network"]).arg(fills));
        assert_eq!(outcome.code(), 0, "{path:?}: {outcome:?}");
        assert_eq!(outcome.lines_with("full after").len(), 3, "{path:?}: {outcome:?}");
    }
}

#[test]
fn a_queue_that_drops_is_one_datagrams_error() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let _server = Server::listening(
            there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]),
        );
        // Datagrams larger than the MTU, in fragments that exceed the queue.
        here.tool("tc", "qdisc add dev wire root pfifo limit 1");
        let arguments =
            ["client", "10.9.0.2", "12000", "-c", "5", "-i", "100ms", "-W", "300ms", "--size"];
        let large = run(here.command(host_program()).args(path).args(arguments).arg("60000"));
        assert!(matches!(large.code(), 0 | 1), "{large:?}");
        here.tool("tc", "qdisc del dev wire root");
        let small = run(here.command(host_program()).args(path).args(arguments).arg("100"));
        assert_eq!((small.code(), small.seqs("rtt=").len()), (0, 5), "{small:?}");
    }
}

/// The kernel has no memory for a datagram: too rare to wait for, so strace injects the error into
/// the third send.
#[test]
fn a_lack_of_buffers_is_one_datagrams_error() {
    let lacking = |path: &[&str], arguments: &[&str]| {
        let mut command = Command::new("strace");
        // -D: our child is the program, not strace.
        command.args([
            "-D",
            "-f",
            "-qqq",
            "-o",
            "/dev/null",
            "-e",
            "trace=sendto,sendmsg,sendmmsg",
        ]);
        command.args(["-e", "inject=sendto,sendmsg,sendmmsg:error=ENOBUFS:when=3"]);
        command.arg(host_program()).args(path).args(arguments);
        command
    };
    let pings = ["-c", "10", "-i", "20ms", "-W", "200ms"];
    for path in PATHS {
        let server = Server::listening(&mut lacking(path, &["server", "0", "--bind", "127.0.0.1"]));
        let [host, port] = server.host_and_port();
        let client = run(Command::new(host_program()).args(["client", &host, &port]).args(pings));
        assert_eq!(
            (client.seqs("lost"), client.seqs("rtt=").len()),
            (vec![3], 9),
            "{path:?}: {client:?}"
        );
        let outcome = server.stop();
        assert!(
            outcome.stdout.ends_with("10 received, 9 answered, 0 dropped, 1 not sent\n"),
            "{path:?}: {outcome:?}"
        );

        let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
        let [host, port] = server.host_and_port();
        let client = run(lacking(path, &["client", &host, &port]).args(pings));
        assert_eq!(
            (client.seqs("not sent"), client.seqs("rtt=").len()),
            (vec![3], 9),
            "{path:?}: {client:?}"
        );
    }
}

/// Socket options take effect in packets, as read by another program on the wire.
#[test]
fn socket_options_are_in_the_packets() {
    if udping_tests::installed("tshark").is_none() {
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI has tshark");
        eprintln!("not tried: there is no tshark");
        return;
    }
    let [here, there] = Namespace::pair();
    for (side, address) in [(&here, "fd00:9::1/64"), (&there, "fd00:9::2/64")] {
        side.ip(&format!("addr add {address} dev wire nodad"));
    }
    let _server = Server::listening(there.command(host_program()).args(["server", "12000"]));
    for (host, fields) in [
        ("10.9.0.2", ["ip.dsfield.dscp", "ip.dsfield.ecn", "ip.flags.df"]),
        ("fd00:9::2", ["ipv6.tclass.dscp", "ipv6.tclass.ecn", "ipv6.nxt"]),
    ] {
        for (options, expected) in [
            (&["--dscp", "ef", "--ecn", "ect0", "--dont-fragment"][..], ["46", "2", "1"]),
            (&["--dscp", "10", "--ecn", "ce"], ["10", "3", ""]),
            (&["--batch", "1", "--dscp", "cs1"], ["8", "0", ""]),
            (&[], ["0", "0", ""]),
        ] {
            let mut command = there.command("tshark");
            command.args(["-l", "-n", "-Q", "-i", "wire", "-c", "3", "-T", "fields"]);
            for field in fields {
                command.args(["-e", field]);
            }
            let mut capture = Process::start(command.arg("-f").arg("udp dst port 12000"));
            // The capture starts at some time, and ends after three packets.
            let pings = ["client", host, "12000", "-c", "0", "-i", "50ms", "-q"];
            let client = Process::start(here.command(host_program()).args(options).args(pings));
            let line = capture.line();
            let found: Vec<_> = line.split('\t').collect();
            assert_eq!(found[..2], expected[..2], "{host} {options:?}: {line}");
            if host == "10.9.0.2" && !expected[2].is_empty() {
                assert!(["1", "True"].contains(&found[2]), "{options:?}: {line}");
            }
            assert!(capture.wait().status.success());
            drop(client);
        }
    }
}

#[test]
fn what_may_not_be_fragmented_and_is_too_large_is_not_sent() {
    let [here, there] = Namespace::pair();
    let _server = Server::listening(
        there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]),
    );
    let pings =
        ["client", "10.9.0.2", "12000", "-c", "2", "-i", "20ms", "-W", "300ms", "-s", "3000"];
    let whole = run(here.command(host_program()).args(pings));
    assert_eq!((whole.code(), whole.seqs(" rtt=").len()), (0, 2), "{whole:?}");
    let outcome = run(here.command(host_program()).arg("--dont-fragment").args(pings));
    assert_eq!(
        (outcome.code(), outcome.seqs("not sent: the datagram is too large")),
        (1, vec![1, 2]),
        "{outcome:?}"
    );
}

/// A route for marked packets only; the capability to mark is kept until they are sent.
#[test]
fn a_mark_chooses_the_route_it_is_for() {
    let [here, there] = Namespace::pair();
    there.ip("addr add 10.8.0.1/32 dev lo");
    here.ip("rule add fwmark 7 table 7");
    here.ip("route add 10.8.0.1/32 via 10.9.0.2 table 7");
    let _server = Server::listening(
        there.command(host_program()).args(["server", "12000", "--bind", "10.8.0.1"]),
    );
    let pings = ["client", "10.8.0.1", "12000", "-c", "2", "-i", "20ms", "-W", "300ms"];
    let marked = run(here.command(host_program()).args(["--mark", "0x7"]).args(pings));
    assert_eq!((marked.code(), marked.stderr.as_str()), (0, ""), "{marked:?}");
    let unmarked = run(here.command(host_program()).args(pings));
    assert_ne!(unmarked.code(), 0, "{unmarked:?}");
    // By a policy, and with a component from a file.
    let shown = run(Command::new(host_program())
        .args(["--mark", "7", "--ecn", "ce", "grants", "client", "10.8.0.1", "12000"]));
    assert_eq!(
        shown.lines_with("--allow-to 10.8.0.1:12000 --ecn ce --mark 7").len(),
        1,
        "{shown:?}"
    );
    let policy = udping_tests::own_file(
        "mark.toml",
        b"[grants]\nallow-to = [\"10.8.0.1:12000\"]\nmark = 7\n",
    );
    let client = file("client.wasm", udping_tests::CLIENT.bytes);
    let outcome =
        run(here.command(host_program()).arg("--policy").arg(policy).arg(client).args(&pings[1..]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    // A lack of privileges is reported at the start.
    let mut command = here.command("setpriv");
    command.args(["--bounding-set=-net_admin,-net_raw", "--inh-caps=-all"]).arg(host_program());
    let refused = run(command.args(["--mark", "7"]).args(pings));
    assert_eq!(refused.code(), 2, "{refused:?}");
    assert_eq!(
        refused.only_error(),
        "udping-host: --mark 7: not permitted: it needs root or CAP_NET_ADMIN"
    );
}

#[test]
fn client_uses_the_named_interface_or_source_address() {
    let [here, there] = Namespace::pair();
    here.ip("addr add 10.9.0.7/24 dev wire");
    let mut server = Server::listening(
        there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2", "-v"]),
    );
    let pings = |options: &[&str]| {
        let arguments = ["client", "10.9.0.2", "12000", "-c", "1", "-W", "300ms"];
        run(here.command(host_program()).args([&arguments, options].concat()))
    };
    assert_eq!(pings(&["-I", "wire"]).code(), 0);
    let other = pings(&["-I", "lo"]);
    assert_ne!(other.code(), 0, "through another interface there is no way: {other:?}");
    let none = pings(&["-I", "nosuch0"]);
    assert_eq!(none.code(), 2, "{none:?}");
    let expected = "udping-host: --bind-device nosuch0: there is no such network interface (ip link shows them)";
    assert_eq!(none.only_error(), expected);
    let from = pings(&["-I", "10.9.0.7"]);
    assert_eq!((from.code(), from.stderr.as_str()), (0, ""), "{from:?}");
    while !server.process.line().contains("from 10.9.0.7:") {}
    let family = pings(&["-I", "::1"]);
    assert!(
        family.only_error().ends_with("-I ::1: 10.9.0.2:12000 has an address of the other family"),
        "{family:?}"
    );
    // A component from a file cannot do this itself: its host has to.
    let client = file("client.wasm", udping_tests::CLIENT.bytes);
    let arguments = ["10.9.0.2", "12000", "-c", "1", "-I", "wire"];
    let refused = run(here.command(host_program()).arg(&client).args(arguments));
    assert!(
        refused
            .only_error()
            .ends_with("an interface is chosen by the host: udping-host --bind-device wire"),
        "{refused:?}"
    );
    let outcome = run(here
        .command(host_program())
        .args(["--bind-device", "wire"])
        .arg(&client)
        .args(arguments));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}
