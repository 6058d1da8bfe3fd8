//! What grants cover on a machine with addresses, interfaces and names, in namespaces.

use std::net::UdpSocket;
use std::process::Command;

use udping_tests::{Outcome, Server, file, host_program, run, udping_host};

/// Runs the host after `setup`, with a private network and file system.
fn in_namespace(setup: &str, arguments: &[&str]) -> Outcome {
    let script = format!("ip link set lo up && {setup} && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    run(command.args(["--net", "--mount", "sh", "-c", &script]).arg(host_program()).args(arguments))
}

#[track_caller]
fn assert_refused(outcome: &Outcome, refusal: &str) {
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    assert!(outcome.stderr.starts_with(&format!("udping-host: refused: {refusal}")), "{outcome:?}");
}

const PING: [&str; 7] = ["-c", "1", "-W", "100ms", "-i", "10ms", "-q"];

#[test]
fn own_addresses_are_not_reached_through_a_network() {
    let setup = "ip addr add 10.9.0.1/24 dev lo && ip addr add 2001:db8::9/64 dev lo nodad";
    for (network, own) in [
        ("10.9.0.0/24:9", "10.9.0.1"),
        ("0.0.0.0/0:9", "10.9.0.1"),
        ("[2001:db8::]/32:9", "2001:db8::9"),
    ] {
        let arguments = [&["--allow-to", network, "client", own, "9"], &PING[..]].concat();
        let shown = if own.contains(':') { format!("[{own}]:9") } else { format!("{own}:9") };
        let outcome = in_namespace(setup, &arguments);
        let special = "an address of this machine: grant exactly that address";
        assert_refused(
            &outcome,
            &format!("client asked to send to {shown}, {special}; granted: send to {network}; "),
        );
        assert!(
            outcome.stderr.contains(&format!("--allow-to {network} --allow-to {shown}\n")),
            "{outcome:?}"
        );
        // The flags that it names are sufficient.
        let outcome = in_namespace(setup, &[&["--allow-to", &shown], &arguments[..]].concat());
        assert!(!outcome.stderr.contains("refused: "), "{outcome:?}");
        assert_eq!(outcome.code(), 1, "nobody answers there: {outcome:?}");
        let overview = in_namespace(setup, &["--allow-to", network, "grants", "client"]);
        let line = format!(
            "  not send to {own}, an address of this machine: grant exactly that address\n"
        );
        assert!(overview.stdout.contains(&line), "{overview:?}");
    }
}

#[test]
fn own_addresses_are_reached_where_arguments_and_names_say_so() {
    let setup = "ip addr add 10.9.0.1/24 dev lo && mount --bind \"$HOSTS\" /etc/hosts";
    let hosts = file("own-hosts", b"10.9.0.1 mesh.example\n");
    let setup = setup.replace("$HOSTS", hosts.to_str().unwrap());
    for target in ["10.9.0.1", "mesh.example"] {
        let outcome = in_namespace(&setup, &[&["client", target, "9"], &PING[..]].concat());
        assert_eq!(outcome.code(), 1, "nobody answers there: {outcome:?}");
        assert!(!outcome.stderr.contains("refused: "), "{outcome:?}");
    }
}

#[test]
fn a_name_is_no_grant_for_cloud_metadata() {
    let hosts = file("metadata-hosts", b"169.254.169.254 harmless.example\n");
    let setup =
        format!("mount --bind {} /etc/hosts && ip addr add 169.254.1.1/16 dev lo", hosts.display());
    let outcome = in_namespace(&setup, &[&["client", "harmless.example", "9"], &PING[..]].concat());
    let special = "an address of cloud metadata: grant exactly that address";
    assert_refused(
        &outcome,
        &format!("client asked to send to 169.254.169.254:9, {special}; granted: "),
    );
    let outcome = in_namespace(&setup, &[&["client", "169.254.169.254", "9"], &PING[..]].concat());
    assert!(!outcome.stderr.contains("refused: "), "{outcome:?}");
}

#[test]
fn a_listener_hears_only_whom_it_may() {
    let flags = [
        "--allow-from",
        "127.0.0.2",
        "--allow-from",
        "127.0.0.128/25",
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ];
    let server = Server::listening(udping_host().args(flags));
    let address = server.addresses[0];
    let socket = |from: &str| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(udping_tests::PATIENCE)).unwrap();
        socket
    };
    let [left_out, first, second] = ["127.0.0.3", "127.0.0.2", "127.0.0.200"].map(socket);
    left_out.send(b"stranger").unwrap();
    let mut answer = [0; 100];
    for heard in [&first, &second] {
        heard.send(b"friend").unwrap();
        let length = heard.recv(&mut answer).unwrap();
        assert_eq!(&answer[..length], b"friend");
    }
    // Earlier datagrams have been decided by now.
    left_out.set_nonblocking(true).unwrap();
    assert!(left_out.recv(&mut answer).is_err());
    let outcome = server.stop();
    let dropped = "udping-host: dropped: a datagram to server from 127.0.0.3:";
    assert!(outcome.stderr.starts_with(dropped), "{outcome:?}");
    assert!(outcome.stderr.contains(", whom --allow-from leaves out\n"), "{outcome:?}");
}

#[test]
fn whom_a_listener_may_hear_is_shown_and_is_no_grant() {
    let outcome =
        run(udping_host().args(["--allow-from", "192.0.2.0/24", "grants", "server", "12000"]));
    assert!(
        outcome
            .stdout
            .contains("  listen on 12000\n  receive, where it listens, from 192.0.2.0/24"),
        "{outcome:?}"
    );
    assert!(
        outcome.stdout.contains("  --allow-listen 12000 --allow-from 192.0.2.0/24\n"),
        "{outcome:?}"
    );
    let outcome = run(udping_host().args(["--allow-from", "monitor.example", "server", "0"]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains("write a network or an address: 192.0.2.0/24"), "{outcome:?}");
}

#[test]
fn one_address_is_one_source_whatever_its_ports() {
    let flags = ["--limit-source", "5", "server", "0", "--bind", "127.0.0.1", "-v"];
    let server = Server::listening(udping_host().args(flags));
    let sockets: Vec<_> = (0..50).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for socket in &sockets {
        socket.send_to(b"one of many", server.addresses[0]).unwrap();
    }
    // A datagram of another host is received; so earlier ones have been decided.
    let other = UdpSocket::bind("127.0.0.9:0").unwrap();
    other.set_read_timeout(Some(udping_tests::PATIENCE)).unwrap();
    other.send_to(b"another", server.addresses[0]).unwrap();
    other.recv(&mut [0; 100]).unwrap();
    let answered = sockets.iter().filter(|socket| {
        socket.set_nonblocking(true).unwrap();
        socket.recv(&mut [0; 100]).is_ok()
    });
    let answered = answered.count();
    assert!((5..25).contains(&answered), "{answered}");
    let outcome = server.stop();
    assert!(
        outcome.stderr.contains("more than 5 datagrams/s from one source (--limit-source)"),
        "{outcome:?}"
    );
}

#[test]
fn a_prefix_without_a_limit_is_no_limit_and_is_said() {
    let outcome = run(udping_host().args(["--limit-source-prefix", "24,64", "server", "0"]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(
        outcome.only_error().ends_with("and --limit-source how much may come from it: give both"),
        "{outcome:?}"
    );
}
