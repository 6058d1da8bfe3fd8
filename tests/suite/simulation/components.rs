//! Components by others, and those that do not play along.

use std::path::PathBuf;

use rustix::process::Signal;
use udping_tests::proc::{assert_restricted, field, sockets};
use udping_tests::{
    CLIENT_P3, Outcome, Process, SERVER_P3, file, own_file, run, udping_host, until,
};

macro_rules! guest {
    ($name:literal) => {
        own_file(
            concat!($name, ".wasm"),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
        )
    };
}

/// Runs `client` with `arguments`, against a server at port 12000 that runs `server`.
fn simulate(options: &[&str], server: &str, client: &PathBuf, arguments: &[&str]) -> Outcome {
    let mut command = udping_host();
    command.args(["simulate", "--delay", "10ms"]).args(options);
    command.args(["--server", server, "--"]).arg(client).args(arguments);
    run(&mut command)
}

#[test]
fn a_pinger_of_plain_std_sockets_waits_in_virtual_time() {
    let (pinger, echo) = (guest!("std_pinger"), guest!("std_echo"));
    let echo = format!("{} 12000", echo.display());
    let outcome = simulate(&[], &echo, &pinger, &["server:12000"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!(outcome.stdout.contains("ended as expected: 1 of 1"), "{outcome:?}");
    // Twice the delay of the link, to the nanosecond.
    assert!(outcome.stdout.contains("rtt min/avg/max = 20.000/20.000/20.000 ms"), "{outcome:?}");
    let again = simulate(&[], &echo, &pinger, &["server:12000"]);
    assert_eq!(again.stdout, outcome.stdout);
}

#[test]
fn tokio_waits_in_virtual_time() {
    let (pinger, echo) = (guest!("tokio_pinger"), guest!("tokio_echo"));
    let echo = format!("{} 12000", echo.display());
    // Its resolver needs threads, which WASI 0.2 does not have.
    let outcome = simulate(&[], &echo, &pinger, &["10.0.0.1:12000"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!(outcome.stdout.contains("seq=10 rtt=20.000 ms"), "{outcome:?}");
}

#[test]
fn a_component_that_computes_without_end_is_named() {
    let outcome = simulate(&[], "server 12000", &guest!("spins"), &["server", "12000"]);
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    let line = "client: exit code 4 instead of 0: trapped: it makes no progress: it ran for 10 s at 0.000000000 s of virtual time";
    assert!(outcome.stdout.contains(line), "{outcome:?}");
}

/// Each version of WASI has an engine of its own, and a watchdog.
#[test]
fn a_component_for_wasi_0_3_that_computes_without_end_beside_one_for_0_2_is_named() {
    let spins = guest!("p3_spins_p3");
    let (folder, name) = (spins.parent().unwrap(), spins.file_name().unwrap());
    // The components are sorted by name: the other's is the first.
    let mut command = udping_host();
    command.args(["simulate", "--server", "client 10.0.0.9 --count 1", "--"]);
    let outcome = run(command.current_dir(folder).arg(name).arg("compute"));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    assert!(outcome.stdout.contains("trapped: it makes no progress: it ran for"), "{outcome:?}");
}

/// Time passes for one that asks for it, again and again.
#[test]
fn a_component_that_asks_for_the_time_gets_on() {
    let outcome = simulate(
        &["--duration", "1ms"],
        "server 12000",
        &guest!("asks_the_time"),
        &["server", "12000"],
    );
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    assert!(outcome.stdout.contains("the simulation was over"), "{outcome:?}");
}

#[test]
fn a_component_that_waits_for_ever_is_named() {
    let outcome =
        run(udping_host().args(["simulate", "--server", "server 12000", "--", "server", "12000"]));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    assert!(outcome.stdout.contains("client: waits for what will never happen"), "{outcome:?}");
}

#[test]
fn two_servers_and_one_forged_datagram_fall_silent() {
    let text = r#"
[link]
delay = "1ms"
[[node]]
name = "a"
run = "server 7"
[[node]]
name = "b"
run = "server 7"
[[node]]
name = "client"
run = "client a:7 --count 1 --source-port 7 -W 1s"
[[fault]]
at = "1us"
address = { node = "b", to = "10.0.0.3" }
"#;
    // The ping leaves from the client's address, which is the other server's when it is answered.
    let path = own_file("loop.toml", text.as_bytes());
    let outcome = run(udping_host().args(["simulate", "--duration", "1h"]).arg(&path));
    let first = outcome.stdout.lines().next().unwrap_or_default();
    let datagrams: u64 =
        first.rsplit(", ").next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(datagrams < 1000, "{outcome:?}");
}

#[test]
fn a_component_that_takes_memory_without_end_is_stopped() {
    let outcome = simulate(&[], "server 12000", &guest!("grows"), &["server", "12000"]);
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    let line = "client: exit code 6 instead of 0: asked for more than 64.0 MiB of memory";
    assert!(outcome.stdout.contains(line), "{outcome:?}");
}

/// Nothing that it does is real, also for one that breaks out.
#[test]
fn the_process_has_neither_privileges_nor_sockets() {
    let mut command = udping_host();
    command.args(["simulate", "--server", "server 12000", "--"]).arg(guest!("spins"));
    let process = Process::start(command.args(["server", "12000"]));
    let pid = process.pid().as_raw_nonzero().get();
    let status = PathBuf::from(format!("/proc/{pid}"));
    until(|| (field(&status, "Seccomp") == "2").then_some(()));
    assert_restricted(pid);
    assert_eq!((sockets(pid, "udp"), sockets(pid, "tcp")), (0, 0));
    process.signal(Signal::KILL);
    process.wait();
}

#[test]
fn components_that_write_without_end_are_stopped() {
    let outcome = simulate(&[], "server 12000", &guest!("floods_stdout"), &["server", "12000"]);
    assert_eq!(outcome.code(), 1, "{:.500}", outcome.stderr);
    let line = "client: exit code 6 instead of 0: wrote more than 128.0 MiB";
    assert!(outcome.stdout.contains(line), "{:.500}", outcome.stdout);
}

/// With several sockets, whose calls return in the order of arrival, also after it was suspended.
#[test]
fn a_client_for_wasi_0_3_reports_what_happened() {
    let (client, server) =
        (file("client.wasm", CLIENT_P3.bytes), file("server.wasm", SERVER_P3.bytes));
    for (of_server, of_client) in
        [("", ""), (" --protocol stamp --stateful", " --protocol stamp --stateful")]
    {
        let text = format!(
            r#"
            [link]
            delay = "20ms"

            [[node]]
            name = "server"
            wait = false
            run = "{} 12000{of_server}"

            [[node]]
            name = "client"
            count = 2
            reports = true
            run = "{} server 12000 --interval 50ms --count 100 --source-ports 3{of_client}"
            "#,
            server.display(),
            client.display(),
        );
        let path = own_file("p3.toml", text.as_bytes());
        let outcome = run(udping_host().args(["simulate", "--search", "100"]).arg(&path));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        assert!(outcome.stdout.contains("each report is what happened"), "{outcome:?}");
        let once =
            || run(udping_host().args(["simulate", "--seed", "7", "--mix", "all"]).arg(&path));
        assert_eq!(once().stdout, once().stdout);
    }
}

/// In memory that is bounded: what it sends without end is lost, as by a full queue.
#[test]
fn a_component_that_sends_without_end_fills_no_memory() {
    let guest = guest!("sends_fast");
    let outcome = simulate(&["--duration", "2ms"], "server 12000", &guest, &["server", "12000"]);
    assert!(outcome.stdout.contains("the simulation was over"), "{outcome:?}");
}
