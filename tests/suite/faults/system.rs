//! Errors that the network reports, and calls that the system refuses: the message names the cause,
//! and a run continues.

use std::process::Command;

use udping_tests::namespace::Namespace;
use udping_tests::{PATHS, Process, Runtime, Server, host_program, ping, run, with_address_space};

#[test]
fn a_client_whose_address_changes_is_answered_again() {
    for path in PATHS {
        for servers in [
            &["10.9.0.2", "12000"] as &[&str],
            &["10.9.0.2", "12000", "--target", "10.9.0.3:12000"],
        ] {
            let [here, there] = Namespace::pair();
            there.ip("addr add 10.9.0.3/24 dev wire");
            let server = Server::listening(there.command(host_program()).args(["server", "12000"]));
            let options = ["-c", "40", "-i", "50ms", "-W", "500ms"];
            let mut client = here.command(host_program());
            client.args(path).args(["-S", "inherit-network", "client"]).args(servers).args(options);
            let mut client = Process::start(&mut client);
            while !client.line().contains("seq=3 rtt=") {}
            here.ip("addr del 10.9.0.1/24 dev wire");
            here.ip("addr add 10.9.0.77/24 dev wire");
            let outcome = client.wait();
            assert!(outcome.seqs("rtt=").contains(&40), "{path:?}, {servers:?}: {outcome:?}");
            drop(server);
        }
    }
}

#[test]
fn client_started_without_a_route_recovers_when_one_appears() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let _server = Server::listening(there.command(host_program()).args(["server", "12000"]));
        here.ip("addr del 10.9.0.1/24 dev wire");
        let arguments = ["client", "10.9.0.2", "12000", "-c", "0", "-i", "50ms", "-W", "500ms"];
        let mut client = Process::start(here.command(host_program()).args(path).args(arguments));
        while !client.line().contains("seq=3 not sent: no route to it") {}
        here.ip("addr add 10.9.0.1/24 dev wire");
        while !client.line().contains(" rtt=") {}
        client.signal(rustix::process::Signal::INT);
        assert_eq!(client.wait().code(), 0);
    }
}

#[test]
fn an_error_that_comes_back_is_told_with_whom_it_is_about() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        // By default the kernel sends six at once, and then one per second (icmp(7)).
        there.tool("sysctl", "-qw net.ipv4.icmp_ratelimit=0");
        let server = Server::listening(
            there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]),
        );
        let pings = ["-c", "3", "-i", "50ms", "-W", "200ms"];
        let refused = "from 10.9.0.2:9: connection refused: nothing listens on that port";
        let one = run(here
            .command(host_program())
            .args(path)
            .args(["client", "10.9.0.2", "9"])
            .args(pings));
        assert_eq!(one.lines_with(refused).len(), 3, "{path:?}: {one:?}");
        let targets =
            ["-S", "inherit-network", "client", "10.9.0.2", "12000", "--target", "10.9.0.2:9"];
        let two = run(here.command(host_program()).args(path).args(targets).args(pings));
        assert_eq!(
            (two.lines_with(refused).len(), two.lines_with("rtt=").len()),
            (3, 3),
            "{path:?}: {two:?}"
        );
        let lines = run(here
            .command(host_program())
            .args(path)
            .args(targets)
            .args(pings)
            .args(["--format", "jsonl"]));
        let told = lines.lines_with("\"network_error\"");
        assert_eq!(told.len(), 3, "{path:?}: {lines:?}");
        assert!(told.iter().all(|line| line.contains("\"target\":1,")), "{path:?}: {told:?}");
        // Nor does a server fail when its client has left.
        drop(server);
    }
}

#[test]
fn a_client_that_has_left_is_no_error_of_the_server() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let arguments = ["server", "12000", "--bind", "10.9.0.2", "-v"];
        let server = Server::listening(there.command(host_program()).args(path).args(arguments));
        let leaves = "import socket
for i in range(50): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'Ping %d 1.0' % i, ('10.9.0.2', 12000))";
        assert_eq!(run(here.command("python3").args(["-c", leaves])).code(), 0);
        let client = run(here
            .command(host_program())
            .args(["client", "10.9.0.2", "12000", "-c", "5", "-i", "20ms"]));
        assert_eq!((client.code(), client.seqs("rtt=").len()), (0, 5), "{path:?}: {client:?}");
        let outcome = server.stop();
        assert!(outcome.lines_with("cannot").is_empty(), "{path:?}: {outcome:?}");
        assert!(
            outcome.stdout.ends_with("55 received, 55 answered, 0 dropped\n"),
            "{path:?}: {outcome:?}"
        );
    }
}

/// Each reply is larger than the client's receive buffer, and many arrive at a time.
#[test]
fn what_this_machine_dropped_is_told_beside_what_was_lost() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let client = |options: &[&str]| {
        let mut command = Command::new(host_program());
        command.args([
            "--limit-buffers",
            "1KiB",
            "client",
            &host,
            &port,
            "-c",
            "2000",
            "--burst",
            "500",
            "-s",
            "1400",
            "-q",
        ]);
        run(command.args(["-i", "100ms", "-W", "300ms"]).args(options))
    };
    let text = client(&[]);
    let (_, rest) = text.stdout.split_once(" late, ").unwrap_or_else(|| panic!("{text:?}"));
    assert!(rest.contains(" dropped by this machine for want of receive buffer"), "{text:?}");
    let json: serde_json::Value =
        serde_json::from_str(&client(&["--format", "json"]).stdout).unwrap();
    let (dropped, lost) =
        (json["receiver"]["dropped"].as_u64().unwrap(), json["total"]["lost"].as_u64().unwrap());
    assert!((1..=lost).contains(&dropped), "{dropped} of {lost}");
    let metrics = client(&["--format", "openmetrics"]);
    let count = metrics
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("udping_receive_buffer_drops_total "));
    assert!(count.is_some_and(|count| count != "0"), "{metrics:?}");
    // With sufficient buffers, there are none.
    let roomy =
        ping(Runtime::UdpingHost, &server, &["-c", "1000", "--burst", "100", "-i", "100ms", "-q"]);
    assert_eq!(
        (roomy.lines_with(" 0 lost").len(), roomy.lines_with(" dropped by").len()),
        (1, 0),
        "{roomy:?}"
    );
}

/// Returns a program for which the system refuses those calls, always with that error.
fn without(calls: &str, error: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("strace");
    // -D: our child is the program, not strace.
    command.args(["-D", "-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command
        .args(["-e", &format!("inject={calls}:error={error}")])
        .arg(host_program())
        .args(arguments);
    command
}

#[test]
fn a_system_without_batches_is_served_one_by_one() {
    for calls in
        ["recvmmsg,sendmmsg", "recvmmsg,sendmmsg,recvmsg", "recvmmsg,sendmmsg,recvmsg,sendmsg"]
    {
        for error in ["ENOSYS", "EPERM"] {
            let server = Server::listening(&mut without(
                calls,
                error,
                &["server", "0", "--bind", "127.0.0.1"],
            ));
            for options in [&["-c", "5"] as &[&str], &["-c", "60", "--burst", "20"], &["-c", "5"]] {
                let all = [options, &["-i", "100ms", "-W", "2s", "-q"]].concat();
                let client = ping(Runtime::UdpingHost, &server, &all);
                assert_eq!(client.lines_with(" 0 lost").len(), 1, "{calls}, {error}: {client:?}");
            }
            let outcome = server.stop();
            assert!(
                outcome.stdout.ends_with("70 received, 70 answered, 0 dropped\n"),
                "{calls}, {error}: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_call_that_always_fails_is_not_made_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for error in ["ENOSYS", "EPERM", "ENOMEM"] {
        let (calls, trace) = ("recvmmsg,recvmsg,recvfrom", folder.path().join(error));
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-qqq", "-o"])
            .arg(&trace)
            .args(["-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:error={error}")]).arg(host_program());
        let server = Server::listening(command.args(["server", "0", "--bind", "127.0.0.1"]));
        let [host, port] = server.host_and_port();
        let client =
            run(Command::new(host_program()).args(["client", &host, &port, "-c", "1", "-W", "2s"]));
        assert_eq!(client.code(), 1, "{client:?}");
        let outcome = server.stop();
        assert_eq!(outcome.code(), 0, "{error}: {outcome:?}");
        // Each pause is twice as long as the previous one.
        let tried = std::fs::read_to_string(&trace)
            .unwrap()
            .lines()
            .filter(|line| line.contains("INJECTED"))
            .count();
        assert!((1..100).contains(&tried), "{error}: {tried} calls");
    }
}

#[test]
fn a_system_without_memory_files_runs_components() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    for error in ["ENOSYS", "EPERM", "EACCES"] {
        let client = run(&mut without("memfd_create", error, &["client", &host, &port, "-c", "1"]));
        assert_eq!((client.code(), client.stderr.as_str()), (0, ""), "{error}: {client:?}");
    }
}

#[test]
fn lack_of_address_space_is_not_blamed_on_the_component() {
    let mut command = Command::new(host_program());
    let outcome =
        run(&mut with_address_space(4_096, command.args(["client", "127.0.0.1", "9", "-c", "1"])));
    assert_eq!(outcome.code(), 6, "{outcome:?}");
    let error = outcome.only_error();
    for part in ["4.0 GiB of addresses", "ulimit -v unlimited"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("trapped") && !error.contains("asked for"), "{error}");
}

/// No grant helps against a refusal by the kernel: the message names the cause, and what does help.
#[test]
fn what_the_kernel_refuses_is_not_called_the_hosts_refusal() {
    let [here, _there] = Namespace::pair();
    here.ip("addr add 10.9.0.8/24 brd + dev wire");
    here.ip("route add prohibit 10.9.1.1/32");
    here.ip("-6 route add prohibit fd09:1::1/128");
    for (to, cause) in [
        (
            "10.9.0.255",
            "it is a network's broadcast address, and nothing is broadcast from here, or a route prohibits it",
        ),
        ("10.9.1.1", "or a route prohibits it (ip route get 10.9.1.1)"),
        ("fd09:1::1", "a route prohibits it (ip -6 route get fd09:1::1)"),
    ] {
        let pings = ["client", to, "12000", "-c", "2", "-i", "20ms", "-W", "100ms"];
        let outcome = run(here.command(host_program()).args(pings));
        assert_eq!(outcome.code(), 1, "{to}: {outcome:?}");
        assert!(
            outcome
                .only_error()
                .starts_with("udping-host: refused by the system: client asked to send to "),
            "{outcome:?}"
        );
        assert!(outcome.only_error().contains(cause), "{outcome:?}");
        let unsent = outcome.lines_with("not sent: permission denied by the system: ");
        assert_eq!(unsent.len(), 2, "{to}: {outcome:?}");
        assert!(unsent.iter().all(|line| line.contains(cause)), "{outcome:?}");
    }
}

#[test]
fn a_low_port_without_privileges_says_what_it_needs() {
    for path in PATHS {
        let namespace = Namespace::new();
        let mut command = namespace.command("setpriv");
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ]);
        let outcome = run(command.arg(host_program()).args(path).args(["server", "863"]));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        let error = outcome.only_error();
        assert!(
            error.starts_with("udping-host: refused by the system: server asked to bind to "),
            "{outcome:?}"
        );
        assert!(
            error.ends_with("ports below 1024 need root or CAP_NET_BIND_SERVICE"),
            "{outcome:?}"
        );
    }
}
