//! The process that runs a component, and those that help it: every thread of them is restricted, and nothing is open to them
//! that was not handed over on purpose.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use rustix::net::sockopt as options;
use rustix::process::Signal;
use udping_tests::{PATIENCE, Process, Runtime, SERVER, Server, file, host_program, key_file, ping, run, udping_host};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn pid(process: &Process) -> i32 {
    process.pid().as_raw_nonzero().get()
}

/// A field of `/proc/PID/status`, or of a thread's.
fn field(path: &Path, name: &str) -> String {
    let status = fs::read_to_string(path.join("status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap_or_default().to_owned()
}

/// The processes that `parent` started and that have not ended.
fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold anything but ends at the last parenthesis; then come state and parent.
        let mut words = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        words.next() != Some("Z") && words.next() == Some(&parent.to_string())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

fn threads(pid: i32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| task.unwrap().path()).collect()
}

#[track_caller]
fn assert_restricted(pid: i32) {
    for thread in threads(pid) {
        for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0000000000000000")] {
            assert_eq!(field(&thread, name), value, "{name} of {} {}", thread.display(), field(&thread, "Name"));
        }
    }
}

/// What the descriptors above the standard streams are open to.
fn open(pid: i32) -> Vec<(i32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut open: Vec<(i32, String)> = entries
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            Some((number, fs::read_link(path).ok()?.to_str().unwrap().to_owned()))
        })
        .filter(|(number, _)| *number > 2)
        .collect();
    open.sort();
    open
}

/// An echo server from a file, which is compiled at its start, and that may resolve any name.
fn resolving_server(options: &[&str]) -> Server {
    let cache = tempfile::tempdir().unwrap();
    let mut command = udping_host();
    command.env("XDG_CACHE_HOME", cache.path()).args(options);
    command.args(["-S", "allow-ip-name-lookup", "--allow-listen", "127.0.0.1:0"]);
    Server::listening(command.arg(file("server.wasm", SERVER.bytes)).args(["0", "--bind", "127.0.0.1"]))
}

#[test]
fn every_thread_is_restricted_of_the_process_and_of_its_helpers() {
    let built_in = || Server::listening(udping_host().args(["server", "0", "--bind", "127.0.0.1"]));
    for (what, server, helpers) in [("built in", built_in(), 0), ("resolving", resolving_server(&[]), 1)] {
        assert_eq!(ping(Runtime::UdpingHost, &server, &["-c", "1"]).code(), 0);
        let pid = pid(&server.process);
        assert_restricted(pid);
        let children = children(pid);
        assert_eq!(children.len(), helpers, "{what}");
        children.into_iter().for_each(assert_restricted);
        // Those of a compiler would have been there before.
        let known = ["udping-host", "watchdog", "signals", "resolver"];
        let names: Vec<_> = threads(pid).iter().map(|thread| field(thread, "Name")).collect();
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{what}: {names:?}");
        let outcome = server.stop();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{what}: {outcome:?}");
    }
}

#[test]
fn the_demo_is_restricted_too() {
    let mut demo = Process::start(udping_host().arg("demo"));
    while !demo.line().contains("seq=1 ") {}
    assert_restricted(pid(&demo));
    assert_eq!(demo.wait().code(), 0);
}

#[test]
fn names_are_resolved_by_a_process_that_has_nothing_and_ends_with_the_other() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let port = server.addresses[0].port();
    for options in [&[][..], &["--no-harden"]] {
        let mut command = udping_host();
        command.args(options).args(["-S", "allow-ip-name-lookup", "--key-file"]).arg(key_file(KEY));
        command.args(["--allow-to", &format!("127.0.0.1:{port}"), "client", "localhost", &port.to_string()]);
        let mut client = Process::start(command.args(["-4", "-c", "1000", "-i", "10ms", "-W", "50ms"]));
        assert!(client.line().starts_with("PING localhost (127.0.0.1) "));
        let pid = pid(&client);
        let helpers = children(pid);
        // The other one reads the key file again.
        assert_eq!(helpers.len(), 1 + usize::from(options.is_empty()), "{options:?}");
        for helper in &helpers {
            assert_restricted(*helper);
            if !rustix::process::geteuid().is_root() {
                eprintln!("not tested: only root sees what is open to a process that hides its memory");
                continue;
            }
            assert_eq!(open(*helper), [], "a socket or pipes are its standard streams");
            let environment = fs::read(format!("/proc/{helper}/environ")).unwrap();
            let environment = String::from_utf8(environment).unwrap();
            assert!(environment.split_terminator('\0').all(|one| one.starts_with("RES_OPTIONS=")), "{environment}");
        }
        client.signal(Signal::KILL);
        let start = Instant::now();
        while helpers.iter().any(|helper| {
            let state = fs::read_to_string(format!("/proc/{helper}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        }) {
            assert!(start.elapsed() < PATIENCE, "{helpers:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn without_lookups_at_any_time_there_is_no_such_process() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [_, port] = server.host_and_port();
    let mut client = Process::start(udping_host().args(["client", "localhost", &port, "-4", "-c", "100", "-i", "20ms"]));
    assert!(client.line().starts_with("PING localhost (127.0.0.1) "));
    assert_eq!(children(pid(&client)), []);
}

#[test]
fn a_name_that_is_none_is_an_error_and_the_next_is_resolved() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [_, port] = server.host_and_port();
    let mut command = udping_host();
    command.args(["-S", "allow-ip-name-lookup", "--allow-to", &format!("127.0.0.1:{port}"), "client"]);
    command.args(["--target", &format!("no-such-host.invalid:{port}"), "--target", &format!("localhost:{port}"), "-4"]);
    let outcome = run(command.args(["-c", "2", "-i", "10ms"]));
    assert_eq!(outcome.lines_with("no-such-host.invalid: not pinged: cannot resolve").len(), 1, "{outcome:?}");
    assert_eq!(outcome.lines_with("2 sent, 2 received").len(), 1, "{outcome:?}");
}

#[test]
fn what_was_open_at_the_start_is_closed_but_for_sockets_that_were_handed_over() {
    let secret = file("secret.txt", b"secret");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    for (options, kept) in [(&[][..], false), (&["--no-harden"], true)] {
        let script = format!(
            "exec 3<&{} 7<\"$1\" 8<> \"$1\" 500<\"$1\"; shift; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"",
            socket.as_raw_fd()
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).arg(&secret).arg(host_program()).args(options);
        let server = Server::listening(command.args(["server", &port, "--bind", "127.0.0.1"]));
        assert_eq!(ping(Runtime::UdpingHost, &server, &["-c", "1"]).code(), 0);
        let open = open(pid(&server.process));
        let still = open.iter().filter(|(_, path)| path.ends_with("secret.txt")).count();
        assert_eq!(still, if kept { 3 } else { 0 }, "{open:?}");
        assert!(open.iter().any(|(number, path)| *number == 3 && path.starts_with("socket:")), "{open:?}");
        // Nothing that has a name is left.
        assert!(kept || open.iter().all(|(_, path)| !path.starts_with('/') || path.starts_with("/memfd:")), "{open:?}");
    }
}

/// What is said of a socket that is handed over after `set` has done something to it; the server's, if it started.
fn handed_over(socket: &UdpSocket) -> Result<Server, String> {
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
    let local = socket.local_addr().unwrap();
    let (port, bind) = (local.port().to_string(), local.ip().to_string());
    let script = format!("exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", socket.as_raw_fd());
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash"]).arg(host_program()).args(["server", &port, "--bind", &bind]);
    let mut process = Process::start(&mut command);
    match process.line() {
        line if line.is_empty() => Err(process.wait().stderr),
        line => Ok(Server { process, addresses: line.split_whitespace().filter_map(|word| word.parse().ok()).collect() }),
    }
}

#[test]
fn a_socket_that_was_handed_over_is_as_a_new_one() {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_broadcast(true).unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    options::set_socket_reuseaddr(&socket, true).unwrap();
    setsockopt(&socket, sockopt::UdpGsoSegment, &100).unwrap();
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).unwrap();
    setsockopt(&socket, sockopt::Ipv4RecvErr, &true).unwrap();
    let transparent = setsockopt(&socket, sockopt::IpTransparent, &true).is_ok();
    assert!(transparent || std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(elsewhere.local_addr().unwrap()).unwrap();
    // The operator's own choice.
    options::set_ip_tos(&socket, 0x20).unwrap();

    let server = handed_over(&socket).unwrap();
    // This is the same socket: what is set of one is set of the other.
    assert!(!socket.broadcast().unwrap());
    assert!(!options::socket_reuseaddr(&socket).unwrap());
    assert_eq!(getsockopt(&socket, sockopt::UdpGsoSegment).unwrap(), 0);
    assert!(!getsockopt(&socket, sockopt::ReceiveTimestampns).unwrap());
    assert!(!getsockopt(&socket, sockopt::Ipv4PacketInfo).unwrap());
    assert!(!getsockopt(&socket, sockopt::Ipv4RecvErr).unwrap());
    assert!(!getsockopt(&socket, sockopt::IpTransparent).unwrap());
    assert!(socket.peer_addr().is_err(), "it hears everybody");
    let left = socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap_err();
    assert_eq!(left.kind(), std::io::ErrorKind::AddrNotAvailable, "it had left the group");
    assert_eq!(options::ip_tos(&socket).unwrap(), 0x20);
    let outcome = ping(Runtime::UdpingHost, &server, &["-c", "2", "-i", "10ms", "--size", "1000"]);
    assert_eq!(outcome.lines_with("1000 bytes from ").len(), 2, "{outcome:?}");
}

#[test]
fn with_a_key_other_processes_of_the_user_do_not_see_its_memory() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can start a process as another user");
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
        return;
    }
    let nobody = 65_534;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(nobody), None).unwrap();
    let key = folder.path().join("key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    std::os::unix::fs::chown(&key, Some(nobody), None).unwrap();
    let host = folder.path().join("udping-host");
    fs::copy(host_program(), &host).unwrap();
    for keyed in [true, false] {
        let mut command = Command::new(&host);
        if keyed {
            command.arg("--key-file").arg(&key);
        }
        let server = Server::listening(command.args(["server", "0", "--bind", "127.0.0.1"]).uid(nobody).gid(nobody));
        let pid = pid(&server.process);
        // What the kernel keeps from the user it gives to root (proc(5)).
        let owner = fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
        assert_eq!(owner, if keyed { 0 } else { nobody }, "keyed: {keyed}");
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let none = core.split_whitespace().nth(4).is_some_and(|soft| ["0", "1"].contains(&soft));
        assert!(none || !keyed, "{core}");
        let mut other = Command::new("cat");
        other.arg(format!("/proc/{pid}/environ")).uid(nobody).gid(nobody).stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(other.status().unwrap().success(), !keyed, "keyed: {keyed}");
    }
}
