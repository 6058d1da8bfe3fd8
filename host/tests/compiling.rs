//! What a process cannot do that compiles a component, tried out in a process of its own: this
//! test, run once more.

#![cfg(all(target_os = "linux", feature = "compiler"))]
#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::{env, thread};

use bytesize::ByteSize;
use udping_host::sandbox::compile;
use udping_permissions::limits::CompileLimits;

/// Says to the second run whether it is to confine itself.
const ROLE: &str = "UDPING_CONFINED";

/// The second run. By itself it tests nothing.
#[test]
fn attempts() {
    let Ok(role) = env::var(ROLE) else { return };
    let limits = CompileLimits { memory: ByteSize::mib(512), ..CompileLimits::default() };
    match role.as_str() {
        "confined" => compile::confine(&limits, true).unwrap(),
        "not hardened" => compile::confine(&limits, false).unwrap(),
        _ => {}
    }
    let say = |what: &str, kind: Result<(), ErrorKind>| println!("attempt: {what}: {kind:?}");
    say("read a file", File::open("/etc/passwd").map(drop).map_err(|error| error.kind()));
    say(
        "write a file",
        fs::write(env::temp_dir().join("udping-confined-test"), "x").map_err(|error| error.kind()),
    );
    say(
        "start a program",
        Command::new("/bin/true").status().map(drop).map_err(|error| error.kind()),
    );
    say("use TCP", TcpStream::connect("127.0.0.1:9").map(drop).map_err(|error| error.kind()));
    say("use UDP", UdpSocket::bind("127.0.0.1:0").map(drop).map_err(|error| error.kind()));
    say("use Unix sockets", UnixDatagram::unbound().map(drop).map_err(|error| error.kind()));
    let taken = Vec::<u8>::new().try_reserve_exact(1 << 30);
    say("take a gigabyte", taken.map_err(|_| ErrorKind::OutOfMemory));
    // What compiling does.
    say("start a thread", thread::spawn(|| ()).join().map_err(|_| ErrorKind::Other));
    say(
        "take a megabyte",
        Vec::<u8>::new().try_reserve_exact(1 << 20).map_err(|_| ErrorKind::OutOfMemory),
    );
}

fn attempts_as(role: &str) -> Vec<String> {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "attempts", "--nocapture"]).env(ROLE, role).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("attempt: ").map(str::to_owned)).collect()
}

#[test]
fn compiler_has_no_files_no_network_and_bounded_memory() {
    let denied = "Err(PermissionDenied)";
    let expected = [
        ("read a file", denied),
        ("write a file", denied),
        ("start a program", denied),
        ("use TCP", denied),
        ("use UDP", denied),
        ("use Unix sockets", denied),
        ("take a gigabyte", "Err(OutOfMemory)"),
        ("start a thread", "Ok(())"),
        ("take a megabyte", "Ok(())"),
    ];
    assert_eq!(attempts_as("confined"), expected.map(|(what, result)| format!("{what}: {result}")));
}

/// Without that, each attempt succeeds: else the test above would show nothing. Limits stay also
/// where nothing is hardened.
#[test]
fn who_is_not_confined_can_do_all_of_that() {
    for (role, gigabyte) in [("none", "Ok(())"), ("not hardened", "Err(OutOfMemory)")] {
        let attempts = attempts_as(role);
        for what in
            ["read a file", "write a file", "start a program", "use UDP", "use Unix sockets"]
        {
            assert!(attempts.contains(&format!("{what}: Ok(())")), "{role}: {what}: {attempts:?}");
        }
        assert!(
            attempts.contains(&"use TCP: Err(ConnectionRefused)".to_owned()),
            "{role}: {attempts:?}"
        );
        assert!(attempts.contains(&format!("take a gigabyte: {gigabyte}")), "{role}: {attempts:?}");
    }
}
