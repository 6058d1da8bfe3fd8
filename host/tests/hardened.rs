//! What a hardened process cannot do any more, tried out in a process of its own: this test, run once more.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::fs::File;
use std::io::ErrorKind;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use udping_host::harden::{self, Needs};

/// Says to the second run what the process still needs.
const ROLE: &str = "UDPING_HARDENED";

/// Runs this test once more, to harden itself as `role` says and make its attempts, and gives what came of them.
fn attempts_as(role: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "attempts", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("attempt: ").map(str::to_owned)).collect()
}

/// The second run. By itself it tests nothing.
#[test]
fn attempts() {
    let Ok(role) = env::var(ROLE) else { return };
    let needs = Needs { low_ports: role == "low ports", lookups: role == "lookups" };
    if role != "none" {
        let unhardened = harden::drop_privileges(needs).into_iter().chain(harden::shut(needs));
        assert_eq!(unhardened.map(|one| one.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    }
    let say = |what: &str, kind: Result<(), ErrorKind>| println!("attempt: {what}: {kind:?}");
    say("read a file", File::open("/etc/passwd").map(drop).map_err(|error| error.kind()));
    say("read memory of its own", File::open("/proc/self/mem").map(drop).map_err(|error| error.kind()));
    say("write a file", fs::write("/tmp/udping-hardened-test", "x").map_err(|error| error.kind()));
    say("start a program", Command::new("/bin/true").status().map(drop).map_err(|error| error.kind()));
    say("use TCP", TcpStream::connect("127.0.0.1:9").map(drop).map_err(|error| error.kind()));
    say("use Unix sockets", UnixDatagram::unbound().map(drop).map_err(|error| error.kind()));
    say("map executable memory", executable_memory());
    say("bind a low port", UdpSocket::bind("127.0.0.1:9").map(drop).map_err(|error| error.kind()));
    harden::LowPorts::new(role == "low ports").are_bound();
    say("bind a low port later", UdpSocket::bind("127.0.0.1:9").map(drop).map_err(|error| error.kind()));
    // What a run does.
    say("use UDP", UdpSocket::bind("127.0.0.1:0").map(drop).map_err(|error| error.kind()));
    say("start a thread", thread::spawn(|| thread::sleep(Duration::from_millis(1))).join().map_err(|_| ErrorKind::Other));
    let status = fs::read_to_string("/proc/self/status");
    say("look at itself", status.map(drop).map_err(|error| error.kind()));
}

fn executable_memory() -> Result<(), ErrorKind> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping somewhere, which nobody uses.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED { Err(std::io::Error::last_os_error().kind()) } else { Ok(()) }
}

#[test]
fn a_hardened_process_has_its_datagrams_and_nothing_else() {
    let denied = "Err(PermissionDenied)";
    let expected = [
        ("read a file", denied),
        ("read memory of its own", denied),
        ("write a file", denied),
        ("start a program", denied),
        ("use TCP", denied),
        ("use Unix sockets", denied),
        ("map executable memory", denied),
        ("bind a low port", denied),
        ("bind a low port later", denied),
        ("use UDP", "Ok(())"),
        ("start a thread", "Ok(())"),
        ("look at itself", denied),
    ];
    assert_eq!(attempts_as("all"), expected.map(|(what, result)| format!("{what}: {result}")));
}

#[test]
fn low_ports_are_bound_where_they_are_granted_and_only_at_first() {
    if !may_bind_low_ports() {
        return;
    }
    let attempts = attempts_as("low ports");
    assert!(attempts.contains(&"bind a low port: Ok(())".to_owned()), "{attempts:?}");
    assert!(attempts.contains(&"bind a low port later: Err(PermissionDenied)".to_owned()), "{attempts:?}");
    assert!(attempts.contains(&"read a file: Err(PermissionDenied)".to_owned()), "{attempts:?}");
}

#[test]
fn who_looks_names_up_reads_the_systems_configuration_and_nothing_else() {
    let attempts = attempts_as("lookups");
    assert!(attempts.contains(&"read a file: Ok(())".to_owned()), "{attempts:?}");
    for what in ["read memory of its own", "write a file", "start a program", "bind a low port"] {
        assert!(attempts.contains(&format!("{what}: Err(PermissionDenied)")), "{what}: {attempts:?}");
    }
}

/// Without hardening, each of them succeeds: else the tests above would show nothing.
#[test]
fn an_unhardened_process_can_do_all_of_that() {
    let attempts = attempts_as("none");
    for what in ["read a file", "read memory of its own", "write a file", "start a program", "map executable memory"] {
        assert!(attempts.contains(&format!("{what}: Ok(())")), "{what}: {attempts:?}");
    }
    assert!(attempts.contains(&"use TCP: Err(ConnectionRefused)".to_owned()), "{attempts:?}");
    if may_bind_low_ports() {
        assert!(attempts.contains(&"bind a low port: Ok(())".to_owned()), "{attempts:?}");
    }
}

/// Tests run as root in CI; elsewhere they say what they leave out.
fn may_bind_low_ports() -> bool {
    let may = UdpSocket::bind("127.0.0.1:1").is_ok();
    if !may {
        eprintln!("not tested: who runs this test may not bind low ports");
        assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
    }
    may
}
