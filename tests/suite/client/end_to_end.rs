//! Client and server over loopback: the same cases under udping-host and under the stock wasmtime
//! CLI, prebuilt, of the version that the host embeds and of both long-term lines, in all
//! combinations.

use std::net::UdpSocket;
use std::thread;

use udping_core::server::Echo;
use udping_core::server::{self, Arrival, Config, DropRate, Verdict};
use udping_core::{Instant, UnixTime};
use udping_tests::{CLIENT, PATIENCE, Runtime, SERVER, Server, ping, run, under_all_runtimes};

under_all_runtimes![
    every_ping_is_answered,
    the_run_ends_with_the_last_reply,
    just_the_share_asked_for_is_dropped,
    losses_are_reported_where_nobody_listens,
    a_name_is_resolved,
    ipv6_works,
    one_server_serves_both_families,
    datagrams_of_any_size_come_back_as_they_were,
    the_client_sends_datagrams_of_any_size,
    five_clients_share_a_server,
    an_upper_cased_reply_counts,
    each_datagram_is_logged_on_request,
    quiet_prints_only_the_first_line_and_the_summary,
    an_address_of_the_other_family_is_an_error,
    a_port_that_is_taken_is_an_error,
    wrong_arguments_are_one_line,
    help_and_version_are_there,
    a_source_port_and_a_ttl_can_be_chosen,
    server_survives_vanished_clients_and_ones_that_never_read,
    a_client_whose_reader_is_gone_ends_quietly,
];

fn every_ping_is_answered(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let outcome = ping(runtime, &server, &["-i", "20ms"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.seqs(" rtt="), (1..=10).collect::<Vec<_>>());
    let first = format!(
        "PING 127.0.0.1 (127.0.0.1) port {}/udp: 32-byte datagrams",
        server.addresses[0].port()
    );
    assert_eq!(outcome.stdout.lines().next(), Some(first.as_str()));
    assert_eq!(
        outcome.lines_with("10 sent, 10 received, 0 lost (0.0 %), 0 duplicates, 0 late").len(),
        1,
        "{outcome:?}"
    );
    assert_eq!(outcome.lines_with("rtt min/avg/max/mdev = ").len(), 1);
}

#[test]
fn each_runtime_pings_each_other() {
    let all = [
        Runtime::UdpingHost,
        Runtime::Wasmtime36,
        Runtime::Wasmtime,
        Runtime::UdpingHostP3,
        Runtime::WasmtimeP3,
    ];
    let there: Vec<_> = all.into_iter().filter(|runtime| runtime.is_there()).collect();
    for (server_runtime, client_runtime) in
        there.iter().flat_map(|one| there.iter().map(move |other| (*one, *other)))
    {
        let server = Server::start(server_runtime, "127.0.0.1", &[]);
        // Several times: a fault at the start of a run does not show in each.
        for _ in 0..5 {
            let outcome = ping(client_runtime, &server, &["-c", "3", "-i", "10ms"]);
            let said = outcome.lines_with("3 sent, 3 received, 0 lost (0.0 %)");
            assert_eq!(
                (outcome.code(), said.len()),
                (0, 1),
                "{client_runtime:?} to {server_runtime:?}: {outcome:?}"
            );
        }
    }
}

fn the_run_ends_with_the_last_reply(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    // A client that waited for its timeout would outlast the test's patience.
    let timeout = (PATIENCE * 2).as_secs().to_string();
    assert_eq!(ping(runtime, &server, &["-c", "2", "-i", "20ms", "-W", &timeout]).code(), 0);
}

fn just_the_share_asked_for_is_dropped(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &["--drop-rate", "30", "--seed", "7"]);
    let outcome = ping(runtime, &server, &["-c", "40", "-i", "5ms", "-W", "500ms"]);

    let drop_rate = DropRate::from_percent(30.0).unwrap();
    let mut echo =
        server::Server::new(Config { drop_rate, seed: 7, ..Config::default() }, Echo::default());
    let wall = UnixTime { seconds: 0, nanoseconds: 0 };
    let arrival =
        Arrival { from: ([127, 0, 0, 1], 5_000).into(), now: Instant::from_nanos(0), wall };
    let dropped = |seq: &u32| {
        echo.receive(arrival, &mut format!("Ping {seq} 2.5").into_bytes()) == Verdict::Drop
    };
    let dropped: Vec<u32> = (1..=40).filter(dropped).collect();
    assert_eq!(outcome.seqs("lost: no reply within 500 ms"), dropped);
    assert_eq!(outcome.seqs(" rtt=").len(), 40 - dropped.len());
    assert_eq!(outcome.code(), 0);
}

fn losses_are_reported_where_nobody_listens(runtime: Runtime) {
    let port = closed_port();
    let outcome =
        run(&mut runtime
            .command(CLIENT, &["127.0.0.1", &port, "-c", "3", "-i", "20ms", "-W", "200ms"]));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    assert_eq!(outcome.seqs("lost: "), [1, 2, 3]);
    assert_eq!(outcome.lines_with("3 sent, 0 received, 3 lost (100.0 %)").len(), 1, "{outcome:?}");
    // Other runtimes report errors to connected sockets only, and the client connects none.
    assert_eq!(
        outcome.lines_with("connection refused").is_empty(),
        !runtime.is_udping_host(),
        "{outcome:?}"
    );
    assert_eq!(
        outcome.stderr.lines().filter(|line| !line.starts_with("Error")).count(),
        0,
        "{outcome:?}"
    );
}

fn a_name_is_resolved(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let port = server.addresses[0].port().to_string();
    let mut command = runtime.command(CLIENT, &["localhost", &port, "-4", "-c", "1"]);
    if !runtime.is_udping_host() {
        let denied = run(&mut command);
        assert_eq!(denied.code(), 1);
        assert!(denied.stderr.contains("-S allow-ip-name-lookup"), "{denied:?}");
        command = insert(&command, 1, &["-S", "allow-ip-name-lookup"]);
    }
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!(outcome.stdout.starts_with("PING localhost (127.0.0.1) port"), "{outcome:?}");
    assert_eq!(outcome.lines_with(&format!("--- localhost:{port} ping statistics ---")).len(), 1);
}

fn ipv6_works(runtime: Runtime) {
    if !has_ipv6() {
        return;
    }
    let server = Server::start(runtime, "::1", &[]);
    let outcome = ping(runtime, &server, &["-c", "2", "-i", "20ms"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.lines_with(&format!("bytes from {}: seq=", server.addresses[0])).len(), 2);
}

fn one_server_serves_both_families(runtime: Runtime) {
    let server = Server::listening(&mut runtime.command(SERVER, &["0"]));
    let families: Vec<_> = server.addresses.iter().map(std::net::SocketAddr::is_ipv6).collect();
    assert_eq!(families, if has_ipv6() { vec![true, false] } else { vec![false] });
    for address in &server.addresses {
        let (host, port) =
            (if address.is_ipv6() { "::1" } else { "127.0.0.1" }, address.port().to_string());
        assert_eq!(
            run(&mut runtime.command(CLIENT, &[host, &port, "-c", "1"])).code(),
            0,
            "{address}"
        );
    }
}

fn datagrams_of_any_size_come_back_as_they_were(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server.addresses[0]).unwrap();
    let mut buffer = vec![0; 65_536];
    for size in [0, 1, 27, 512, 1_400, 1_500, 9_000, 65_000, 65_506, 65_507] {
        let sent: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        socket.send(&sent).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length] == sent, "{size} bytes came back as {length}, or changed");
    }
}

fn the_client_sends_datagrams_of_any_size(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    for (size, length) in [("0", 27), ("27", 27), ("28", 28), ("1400", 1_400), ("65507", 65_507)] {
        let outcome = ping(runtime, &server, &["-c", "1", "-s", size]);
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        assert_eq!(
            outcome.lines_with(&format!("{length} bytes from 127.0.0.1:")).len(),
            1,
            "{outcome:?}"
        );
    }
}

fn five_clients_share_a_server(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    thread::scope(|scope| {
        let client = || ping(runtime, &server, &["-c", "20", "-i", "10ms"]);
        let clients: Vec<_> = (0..5).map(|_| scope.spawn(client)).collect();
        for client in clients {
            let outcome = client.join().unwrap();
            assert_eq!(outcome.lines_with("20 sent, 20 received, 0 lost").len(), 1, "{outcome:?}");
        }
    });
}

fn an_upper_cased_reply_counts(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &["--uppercase"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"Ping 1 2.5", server.addresses[0]).unwrap();
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"PING 1 2.5");
    let outcome = ping(runtime, &server, &["-c", "2", "-i", "20ms"]);
    assert_eq!(outcome.lines_with("2 sent, 2 received, 0 lost").len(), 1, "{outcome:?}");
}

fn each_datagram_is_logged_on_request(runtime: Runtime) {
    let mut server = Server::start(runtime, "127.0.0.1", &["-v"]);
    assert_eq!(ping(runtime, &server, &["-c", "1"]).code(), 0);
    let (received, sent) = (server.process.line(), server.process.line());
    assert!(
        received.starts_with("received 32 bytes from 127.0.0.1:") && received.ends_with(": seq=1"),
        "{received}"
    );
    assert!(sent.starts_with("sent 32 bytes to 127.0.0.1:") && sent.ends_with(": seq=1"), "{sent}");
}

fn quiet_prints_only_the_first_line_and_the_summary(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let outcome = ping(runtime, &server, &["-c", "2", "-i", "20ms", "-q"]);
    let starts: Vec<_> =
        outcome.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let mut expected = vec![
        "PING", "", "---", "2", "duration", "receive", "rtt", "", "", "rtt", "rtt", "ipdv",
        "timer", "send", "receive", "jitter",
    ];
    // Elsewhere the client is not told when datagrams arrived.
    if !runtime.is_udping_host() {
        expected.retain(|word| *word != "receive");
        expected.insert(5, "receive");
    }
    assert_eq!(starts, expected, "{outcome:?}");
}

fn an_address_of_the_other_family_is_an_error(runtime: Runtime) {
    let outcome = run(&mut runtime.command(CLIENT, &["127.0.0.1", "9", "-6"]));
    assert_eq!(outcome.code(), usage(runtime));
    assert_eq!(
        outcome.only_error(),
        "client.wasm: 127.0.0.1 is not an IPv6 address, as -6 asks for"
    );
}

fn a_port_that_is_taken_is_an_error(runtime: Runtime) {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _taken = UdpSocket::bind(taken).unwrap();
    let outcome =
        run(&mut runtime.command(SERVER, &[&taken.port().to_string(), "--bind", "127.0.0.1"]));
    assert_eq!(outcome.code(), usage(runtime));
    let expected = format!(
        "server.wasm: cannot listen on {taken}: another program uses that address and port"
    );
    assert_eq!(outcome.only_error(), expected);
}

fn wrong_arguments_are_one_line(runtime: Runtime) {
    for (component, arguments, complaint) in [
        (CLIENT, &["127.0.0.1"][..], "which port of the server? write HOST PORT"),
        (CLIENT, &[], "the following required arguments were not provided"),
        (CLIENT, &["127.0.0.1", "0"], "invalid value '0' for '[PORT]'"),
        (CLIENT, &["127.0.0.1", "70000"], "invalid value '70000' for '[PORT]'"),
        (CLIENT, &["127.0.0.1", "9", "-c", "x"], "invalid value 'x' for '--count <N>'"),
        (
            CLIENT,
            &["127.0.0.1", "9", "-i", "9us"],
            "invalid value '9us' for '--interval <DURATION>': must be at least 10us",
        ),
        (
            CLIENT,
            &["127.0.0.1", "9", "-i", "10us", "-c", "0", "-W", "3s"],
            "up to 300001 pings would be awaited at a time",
        ),
        (CLIENT, &["127.0.0.1", "9", "--burst", "0"], "invalid value '0' for '--burst <N>'"),
        (CLIENT, &["127.0.0.1", "9", "--source-ports", "101"], "not a whole number from 1 to 100"),
        (
            CLIENT,
            &["127.0.0.1", "9", "--source-port", "65535", "--source-ports", "2"],
            "there is no port above 65535",
        ),
        (CLIENT, &["127.0.0.1", "9", "--flood", "--adaptive"], "cannot be used with"),
        (
            CLIENT,
            &["127.0.0.1", "9", "--stateful"],
            "--stateful, --clock-synced and --ssid are for --protocol stamp",
        ),
        (CLIENT, &["--target", "127.0.0.1"], "--target: which port of 127.0.0.1? write HOST:PORT"),
        (
            CLIENT,
            &["--target", "::1:7"],
            "--target: \"::1:7\" is not HOST:PORT, with an IPv6 address in brackets",
        ),
        (CLIENT, &["--targets", "list.txt"], "invalid value 'list.txt' for '--targets <->'"),
        (
            CLIENT,
            &["127.0.0.1", "9", "-W", "soon"],
            "not a duration: write 200ms, 1s or 1m30s; a bare number is seconds",
        ),
        (
            CLIENT,
            &["127.0.0.1", "9", "-s", "65508"],
            "not a size from 0 to 65507, the most that UDP carries",
        ),
        (CLIENT, &["127.0.0.1", "9", "--ttl", "256"], "invalid value '256' for '--ttl <HOPS>'"),
        (CLIENT, &["127.0.0.1", "9", "-4", "-6"], "cannot be used with"),
        (CLIENT, &["127.0.0.1", "9", "extra"], "unexpected argument 'extra' found"),
        (CLIENT, &["127.0.0.1:9", "8"], "127.0.0.1:9 has a port already: leave 8 out"),
        (
            CLIENT,
            &["010.0.0.1", "9"],
            "010.0.0.1 is not an IPv4 address: write four decimal numbers, without zeros in front",
        ),
        (CLIENT, &["256.1", "9"], "256.1 is not an IPv4 address"),
        (SERVER, &[], "the following required arguments were not provided: <PORT>"),
        (SERVER, &["9", "--drop-rate", "101"], "not a percentage from 0 to 100"),
        (SERVER, &["9", "--bind", "localhost"], "invalid value 'localhost' for '--bind <ADDR>'"),
    ] {
        let outcome = run(&mut runtime.command(component, arguments));
        assert_eq!(outcome.code(), usage(runtime), "{arguments:?}");
        assert_eq!(outcome.stdout, "");
        assert!(
            outcome.only_error().starts_with(&format!("{}.wasm: ", component.name)),
            "{outcome:?}"
        );
        assert!(outcome.only_error().contains(complaint), "{arguments:?}: {outcome:?}");
    }
}

fn help_and_version_are_there(runtime: Runtime) {
    for component in [CLIENT, SERVER] {
        let version = run(&mut runtime.command(component, &["--version"]));
        assert_eq!(
            version.stdout,
            format!("udping-{} {}\n", component.name, env!("CARGO_PKG_VERSION"))
        );
        let help = run(&mut runtime.command(component, &["--help"]));
        assert_eq!(help.code(), 0);
        assert!(help.stdout.contains("Usage: "), "{help:?}");
    }
}

fn a_source_port_and_a_ttl_can_be_chosen(runtime: Runtime) {
    let mut server = Server::start(runtime, "127.0.0.1", &["-v"]);
    let [host, port] = server.host_and_port();
    let source = closed_port();
    let mut command =
        runtime.command(CLIENT, &[&host, &port, "-c", "1", "--ttl", "3", "--source-port", &source]);
    if runtime.is_udping_host() {
        let refused = run(&mut command);
        assert_eq!(refused.code(), 3);
        let flags = format!("--allow-to {host}:{port} --allow-listen {source}");
        assert!(refused.only_error().ends_with(&format!("to allow it: {flags}")), "{refused:?}");
        command = insert(&command, 0, &flags.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(run(&mut command).code(), 0);
    assert!(server.process.line().contains(&format!("from 127.0.0.1:{source}")));
}

fn server_survives_vanished_clients_and_ones_that_never_read(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &["--echo-all"]);
    for _ in 0..50 {
        // The answer reaches a closed port, and an ICMP error comes back.
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"gone", server.addresses[0]).unwrap();
    }
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..2_000_u32 {
        deaf.send_to(&number.to_be_bytes().repeat(350), server.addresses[0]).unwrap();
    }
    let outcome = ping(runtime, &server, &["-c", "3", "-i", "100ms"]);
    assert_eq!(outcome.lines_with("3 sent, 3 received, 0 lost").len(), 1, "{outcome:?}");
}

fn a_client_whose_reader_is_gone_ends_quietly(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let client = runtime.command(CLIENT, &[&host, &port, "-c", "1000000", "-i", "20ms"]);
    let words: Vec<_> = [client.get_program()].into_iter().chain(client.get_args()).collect();
    let outcome =
        run(std::process::Command::new("sh").args(["-c", "\"$@\" | head -n 2", "sh"]).args(words));
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    assert_eq!(outcome.stderr, "", "{outcome:?}");
}

/// The exit code of a component that could not start: under the stock CLI, `wasi:cli/exit` can only
/// report failure.
fn usage(runtime: Runtime) -> i32 {
    if runtime.is_udping_host() { 2 } else { 1 }
}

/// Inserts more arguments into `command` at `index`.
fn insert(command: &std::process::Command, index: usize, more: &[&str]) -> std::process::Command {
    let mut arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    arguments.splice(index..index, more.iter().map(Into::into));
    let mut inserted = std::process::Command::new(command.get_program());
    inserted.args(arguments);
    inserted
}

/// A port without a listener: it was free a moment ago.
fn closed_port() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn has_ipv6() -> bool {
    let there = UdpSocket::bind("[::1]:0").is_ok();
    if !there {
        eprintln!("IPv6 is left out: this machine has no ::1");
    }
    there
}
