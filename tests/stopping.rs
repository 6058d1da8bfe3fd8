//! Ctrl-C and SIGTERM under udping-host, and what they leave alone elsewhere.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use udping_tests::{CLIENT, Process, Runtime, Server, file, guests, host_program, ping, run, udping_host};

#[test]
fn an_interrupted_client_prints_the_summary_of_what_ran() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let mut client = Process::start(&mut Runtime::UdpingHost.command(CLIENT, &[&host, &port, "-c", "1000000"]));
    assert!(client.line().starts_with("PING "));
    assert!(client.line().contains(": seq=1 "));
    client.signal(Signal::INT);
    let outcome = client.wait();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.lines_with("0 lost (0.0 %), 0 duplicates, 0 late").len(), 1, "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn an_interrupted_client_says_what_it_still_awaited() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &["--drop-rate", "100"]);
    let [host, port] = server.host_and_port();
    let mut command = Runtime::UdpingHost.command(CLIENT, &[&host, &port, "-c", "2", "-i", "1m", "-W", "1m"]);
    let mut client = Process::start(&mut command);
    client.line();
    std::thread::sleep(Duration::from_millis(300));
    client.signal(Signal::TERM);
    let outcome = client.wait();
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    let summary = "1 sent, 0 received, 0 lost (0.0 %), 0 duplicates, 0 late, 1 still awaited when stopped";
    assert_eq!(outcome.lines_with("sent,"), [summary]);
}

#[test]
fn a_terminated_server_prints_what_it_did() {
    for (options, counts) in
        [(&[][..], "3 received, 3 answered, 0 dropped"), (&["--drop-rate", "100"], "3 received, 0 answered, 3 dropped")]
    {
        let server = Server::start(Runtime::UdpingHost, "127.0.0.1", options);
        ping(Runtime::UdpingHost, &server, &["-c", "3", "-i", "20ms", "-W", "200ms"]);
        let outcome = server.stop();
        assert_eq!((outcome.code(), outcome.stdout.trim_end()), (0, counts), "{outcome:?}");
    }
}

#[test]
fn a_second_ctrl_c_ends_a_component_that_does_not_heed_the_first() {
    let spins = Process::start(udping_host().args(["--limit-compute", "1h"]).arg(file("spins.wasm", guests::SPINS)));
    // Until it watches for signals, the first would end it already.
    std::thread::sleep(Duration::from_secs(2));
    spins.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    spins.signal(Signal::INT);
    let outcome = spins.wait();
    assert_eq!(outcome.code(), 130, "{outcome:?}");
}

#[test]
fn a_second_signal_ends_a_component_whose_output_nobody_reads() {
    for log in [&[][..], &["--log", "json"]] {
        let flags = ["--limit-compute", "1h", "--limit-output", "1GiB"];
        let guest = file("floods_stdout.wasm", guests::FLOODS_STDOUT);
        let blocked = Process::start(udping_host().args(flags).args(log).arg(guest));
        std::thread::sleep(Duration::from_secs(2));
        blocked.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(500));
        blocked.signal(Signal::TERM);
        let outcome = blocked.wait_unread();
        assert_eq!(outcome.code(), 130, "{}", outcome.stderr);
        let last = outcome.stderr.lines().last().unwrap_or_default();
        assert_eq!(last.contains("\"event\":\"ended\"") && last.contains("\"code\":130"), !log.is_empty(), "{last}");
    }
}

/// GNU `timeout` signals the client, and then its group, which the client is part of: microseconds later.
#[test]
fn signals_that_come_together_are_one_and_a_client_prints_its_summary() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let arguments = ["client", &host, &port, "-c", "0", "-i", "20ms"];
    for _ in 0..20 {
        let mut client = Process::start(udping_host().args(arguments));
        while !client.line().contains(" seq=1 ") {}
        client.signal(Signal::TERM);
        std::thread::sleep(Duration::from_micros(100));
        client.signal(Signal::TERM);
        let outcome = client.wait();
        assert_eq!((outcome.code(), outcome.lines_with(" received, ").len()), (0, 1), "{outcome:?}");
    }
    let outcome = run(Command::new("timeout").arg("1").arg(host_program()).args(arguments));
    assert_eq!(outcome.code(), 124, "timeout says that it was one: {outcome:?}");
    assert_eq!(outcome.lines_with(" received, ").len(), 1, "{outcome:?}");
}

/// Every process of these suites has /dev/null as its standard input: a client that took its end for "stop" would send
/// nothing.
#[test]
fn the_end_of_standard_input_means_nothing_under_the_wasmtime_cli() {
    let server = Server::start(Runtime::Wasmtime, "127.0.0.1", &[]);
    let outcome = ping(Runtime::Wasmtime, &server, &["-c", "3", "-i", "20ms"]);
    assert_eq!(outcome.lines_with("3 sent, 3 received").len(), 1, "{outcome:?}");
}

/// As ping has it: one line on standard error, and the run goes on.
#[test]
fn at_sigquit_a_client_says_what_it_has_so_far() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    for format in ["text", "jsonl"] {
        let mut command = udping_host();
        command.args(["client", &host, &port, "-c", "0", "-i", "20ms", "--format", format]);
        let mut client = Process::start(&mut command);
        let wait_for = |client: &mut Process, mut replies: usize| {
            while replies > 0 {
                let line = client.line();
                replies -= usize::from(line.contains(" rtt=") || line.contains("\"reply\""));
            }
        };
        wait_for(&mut client, 3);
        client.signal(Signal::QUIT);
        wait_for(&mut client, 5);
        client.signal(Signal::INT);
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let said = outcome.only_error();
        let sent: usize = said.split(" sent, ").next().unwrap().parse().unwrap();
        assert!(sent >= 3 && said.contains(" 0 lost (0.0 %), 0 duplicates, 0 late, rtt min/avg/max = "), "{said}");
    }
}

#[test]
fn a_client_waits_for_a_server_that_comes_up() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = udping_host();
    command.args(["client", "127.0.0.1", &free, "--until-reply", "-i", "20ms", "-W", "200ms"]);
    let mut client = Process::start(&mut command);
    while !client.line().contains("seq=15 lost") {}
    let _server = Server::listening(udping_host().args(["server", &free, "--bind", "127.0.0.1"]));
    let outcome = client.wait();
    assert_eq!((outcome.code(), outcome.seqs(" rtt=").len()), (0, 1), "{outcome:?}");
    let options = ["client", "127.0.0.1", "9", "--until-reply", "-w", "200ms", "-i", "20ms", "-W", "100ms"];
    assert_eq!(run(udping_host().args(options)).code(), 1, "its deadline comes first");
}
