//! The process that runs a component, and its helpers: every thread is restricted, and nothing is
//! open to them that was not passed on purpose.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use rustix::fs::OFlags;
use rustix::net::sockopt as options;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use udping_tests::proc::{assert_restricted, field, threads};
use udping_tests::{
    PATIENCE, Process, Runtime, SERVER, Server, file, host_program, key_file, ping, run,
    udping_host, until,
};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn pid(process: &Process) -> i32 {
    process.pid().as_raw_nonzero().get()
}

/// The running processes that `parent` started.
fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may contain anything but ends at the last parenthesis; state and parent follow.
        let mut words = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        words.next() != Some("Z") && words.next() == Some(&parent.to_string())
    };
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// The soft and the hard limit of that name.
fn limit(pid: i32, name: &str) -> [String; 2] {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let mut values =
        limits.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace();
    [values.next().unwrap().to_owned(), values.next().unwrap().to_owned()]
}

/// The targets of the descriptors above the standard streams.
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

/// An echo server from a file, compiled at its start, that may resolve any name.
fn resolving_server(options: &[&str]) -> Server {
    let cache = tempfile::tempdir().unwrap();
    let mut command = udping_host();
    command.env("XDG_CACHE_HOME", cache.path()).args(options);
    command.args(["-S", "allow-ip-name-lookup", "--allow-listen", "127.0.0.1:0"]);
    Server::listening(command.arg(file("server.wasm", SERVER.bytes)).args([
        "0",
        "--bind",
        "127.0.0.1",
    ]))
}

#[test]
fn every_thread_is_restricted_of_the_process_and_of_its_helpers() {
    let built_in = || Server::listening(udping_host().args(["server", "0", "--bind", "127.0.0.1"]));
    for (what, server, helpers) in
        [("built in", built_in(), 0), ("resolving", resolving_server(&[]), 1)]
    {
        assert_eq!(ping(Runtime::UdpingHost, &server, &["-c", "1"]).code(), 0);
        let pid = pid(&server.process);
        assert_restricted(pid);
        let children = children(pid);
        assert_eq!(children.len(), helpers, "{what}");
        children.into_iter().for_each(assert_restricted);
        // The threads of a compiler would have been there before.
        let known = ["udping-host", "watchdog", "signals", "resolver", "tokio"];
        let names: Vec<_> = threads(pid).iter().map(|thread| field(thread, "Name")).collect();
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{what}: {names:?}");
        let outcome = server.stop();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{what}: {outcome:?}");
    }
}

/// A port below 1024 that was free just now.
fn free_low_port() -> Option<u16> {
    let port = (512..1024).find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok());
    if port.is_none() {
        eprintln!("not tested: who runs this test may not bind low ports");
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
    }
    port
}

#[test]
fn no_thread_keeps_the_capability_for_low_ports() {
    for flags in [&[][..], &["--workers", "2"]] {
        let Some(port) = free_low_port() else { return };
        let mut command = udping_host();
        let server = Server::listening(command.args(flags).args([
            "server",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
        ]));
        assert_eq!(ping(Runtime::UdpingHost, &server, &["-c", "1"]).code(), 0);
        // A worker releases it when it first receives.
        let have_it = || {
            threads(pid(&server.process))
                .iter()
                .any(|thread| field(thread, "CapPrm") != "0000000000000000")
        };
        until(|| (!have_it()).then_some(()));
        assert_restricted(pid(&server.process));
        assert_eq!(server.stop().stderr, "", "{flags:?}");
    }
}

#[test]
fn the_demo_is_restricted_too() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" 7<\"$0\""])
        .arg(file("secret.txt", b"secret"))
        .arg(host_program())
        .arg("demo");
    let mut demo = Process::start(&mut command);
    while !demo.line().contains("seq=1 ") {}
    assert_restricted(pid(&demo));
    let open = open(pid(&demo));
    assert!(open.iter().all(|(_, path)| !path.ends_with("secret.txt")), "{open:?}");
    assert_eq!(demo.wait().code(), 0);
}

#[test]
fn resolver_process_is_restricted_and_ends_with_the_host() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let port = server.addresses[0].port();
    for options in [&[][..], &["--no-harden"]] {
        let mut command = udping_host();
        command.args(options).args(["-S", "allow-ip-name-lookup", "--key-file"]).arg(key_file(KEY));
        command.args([
            "--allow-to",
            &format!("127.0.0.1:{port}"),
            "client",
            "localhost",
            &port.to_string(),
        ]);
        let mut client =
            Process::start(command.args(["-4", "-c", "1000", "-i", "10ms", "-W", "50ms"]));
        assert!(client.line().starts_with("PING localhost (127.0.0.1) "));
        let pid = pid(&client);
        let helpers = children(pid);
        // The other one reads the key file again.
        assert_eq!(helpers.len(), 1 + usize::from(options.is_empty()), "{options:?}");
        for helper in &helpers {
            assert_restricted(*helper);
            if !rustix::process::geteuid().is_root() {
                eprintln!(
                    "not tested: only root sees what is open to a process that hides its memory"
                );
                continue;
            }
            assert_eq!(open(*helper), [], "a socket or pipes are its standard streams");
            let environment = fs::read(format!("/proc/{helper}/environ")).unwrap();
            let environment = String::from_utf8(environment).unwrap();
            assert!(
                environment.split_terminator('\0').all(|one| one.starts_with("RES_OPTIONS=")),
                "{environment}"
            );
        }
        if options.is_empty() {
            let is_resolver =
                |pid: &&i32| field(Path::new(&format!("/proc/{pid}")), "Name") == "resolver";
            let resolver = *until(|| helpers.iter().find(is_resolver));
            for (name, most) in
                [("Max core file size", "0"), ("Max file size", "0"), ("Max open files", "64")]
            {
                assert_eq!(limit(resolver, name), [most, most], "{name}");
            }
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

/// A helper that inherits more than its standard streams closes the rest.
#[test]
fn what_is_handed_down_to_a_helper_is_closed() {
    for role in ["compile", "read-keys", "resolve"] {
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 7<\"$0\" 8<>\"$0\""])
            .arg(file("secret.txt", b"secret"))
            .arg(host_program());
        // The resolver needs a socket; the others accept one in place of a pipe.
        let (_requests, stdin) = UnixStream::pair().unwrap();
        command
            .arg(format!("@helper={role}"))
            .stdin(OwnedFd::from(stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut helper = command.spawn().unwrap();
        let pid = i32::try_from(helper.id()).unwrap();
        // It is the shell at first, and then a program that has just started.
        until(|| {
            (fs::read_link(format!("/proc/{pid}/exe")).unwrap() == host_program()).then_some(())
        });
        until(|| open(pid).is_empty().then_some(()));
        // The others wait for a request; the resolver restricts itself at once, whoever started it.
        if role == "resolve" {
            until(|| (field(Path::new(&format!("/proc/{pid}")), "Seccomp") == "2").then_some(()));
            assert_restricted(pid);
        }
        helper.kill().unwrap();
        helper.wait().unwrap();
    }
}

#[test]
fn without_lookups_at_any_time_there_is_no_such_process() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [_, port] = server.host_and_port();
    let mut client = Process::start(udping_host().args([
        "client",
        "localhost",
        &port,
        "-4",
        "-c",
        "100",
        "-i",
        "20ms",
    ]));
    assert!(client.line().starts_with("PING localhost (127.0.0.1) "));
    assert!(children(pid(&client)).is_empty());
}

#[test]
fn a_name_that_is_none_is_an_error_and_the_next_is_resolved() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [_, port] = server.host_and_port();
    let mut command = udping_host();
    command.args([
        "-S",
        "allow-ip-name-lookup",
        "--allow-to",
        &format!("127.0.0.1:{port}"),
        "client",
    ]);
    command.args([
        "--target",
        &format!("no-such-host.invalid:{port}"),
        "--target",
        &format!("localhost:{port}"),
        "-4",
    ]);
    let outcome = run(command.args(["-c", "2", "-i", "10ms"]));
    assert_eq!(
        outcome.lines_with("no-such-host.invalid: not pinged: cannot resolve").len(),
        1,
        "{outcome:?}"
    );
    assert_eq!(outcome.lines_with("2 sent, 2 received").len(), 1, "{outcome:?}");
}

#[test]
fn inherited_files_are_closed_except_activation_sockets() {
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
        assert!(
            open.iter().any(|(number, path)| *number == 3 && path.starts_with("socket:")),
            "{open:?}"
        );
        // Nothing with a path is left open.
        assert!(
            kept || open
                .iter()
                .all(|(_, path)| !path.starts_with('/') || path.starts_with("/memfd:")),
            "{open:?}"
        );
    }
}

/// Hands over a socket after `set` has changed it. Returns the server if it started, or else the
/// error.
fn handed_over(socket: &UdpSocket) -> Result<Server, String> {
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
    let local = socket.local_addr().unwrap();
    let (port, bind) = (local.port().to_string(), local.ip().to_string());
    let script =
        format!("exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", socket.as_raw_fd());
    let mut command = Command::new("bash");
    command
        .args(["-c", &script, "bash"])
        .arg(host_program())
        .args(["server", &port, "--bind", &bind]);
    let mut process = Process::start(&mut command);
    match process.line() {
        line if line.is_empty() => Err(process.wait().stderr),
        line => Ok(Server {
            process,
            addresses: line.split_whitespace().filter_map(|word| word.parse().ok()).collect(),
        }),
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
    rustix::fs::fcntl_setfl(&socket, OFlags::ASYNC).unwrap();
    // The operator's own choice.
    options::set_ip_tos(&socket, 0x20).unwrap();

    let server = handed_over(&socket).unwrap();
    // This is the same socket, so it shows the options that the server set.
    assert!(!socket.broadcast().unwrap());
    assert!(!options::socket_reuseaddr(&socket).unwrap());
    assert_eq!(getsockopt(&socket, sockopt::UdpGsoSegment).unwrap(), 0);
    assert!(
        getsockopt(&socket, sockopt::ReceiveTimestampns).unwrap(),
        "this host is told when a datagram arrived"
    );
    assert!(!getsockopt(&socket, sockopt::Ipv4PacketInfo).unwrap());
    assert!(
        getsockopt(&socket, sockopt::Ipv4RecvErr).unwrap(),
        "this host is told which datagram an error is about"
    );
    assert!(!getsockopt(&socket, sockopt::IpTransparent).unwrap());
    assert!(socket.peer_addr().is_err(), "it hears everybody");
    let flags = rustix::fs::fcntl_getfl(&socket).unwrap();
    assert_eq!(
        flags & (OFlags::ASYNC | OFlags::NONBLOCK),
        OFlags::NONBLOCK,
        "it sends no signals, and does not block"
    );
    let left = socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap_err();
    assert_eq!(left.kind(), std::io::ErrorKind::AddrNotAvailable, "it had left the group");
    assert_eq!(options::ip_tos(&socket).unwrap(), 0x20);
    let outcome = ping(Runtime::UdpingHost, &server, &["-c", "2", "-i", "10ms", "--size", "1000"]);
    assert_eq!(outcome.lines_with("1000 bytes from ").len(), 2, "{outcome:?}");
}

/// Options that a handed over socket may have, with values that new sockets do not have.
const OPTIONS_OF_ALL: &[(i32, i32, i32)] = &[
    (libc::SOL_SOCKET, libc::SO_BROADCAST, 1),
    (libc::SOL_SOCKET, libc::SO_REUSEADDR, 1),
    (libc::SOL_SOCKET, libc::SO_DONTROUTE, 1),
    (libc::SOL_SOCKET, libc::SO_NO_CHECK, 1),
    (libc::SOL_SOCKET, libc::SO_OOBINLINE, 1),
    (libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 8),
    (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1),
    (libc::SOL_SOCKET, libc::SO_PEEK_OFF, 0),
    (libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE, 1),
    (libc::SOL_SOCKET, libc::SO_WIFI_STATUS, 1),
    (libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1),
    (libc::SOL_UDP, libc::UDP_CORK, 1),
    (libc::SOL_UDP, libc::UDP_SEGMENT, 100),
    (libc::SOL_UDP, libc::UDP_GRO, 1),
    (libc::SOL_UDP, libc::UDP_NO_CHECK6_TX, 1),
    (libc::SOL_UDP, libc::UDP_NO_CHECK6_RX, 1),
];
/// Set alone: with the others they would be one option, or a socket that receives nothing.
const OPTIONS_ALONE: &[(i32, i32, i32)] = &[
    (libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1),
    (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
    // L2TP.
    (libc::SOL_UDP, UDP_ENCAP, 3),
];
const UDP_ENCAP: i32 = 100;
const OPTIONS_OF_V4: &[(i32, i32, i32)] = &[
    (libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1),
    (libc::IPPROTO_IP, libc::IP_RECVERR, 1),
    (libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    (libc::IPPROTO_IP, libc::IP_RECVTTL, 1),
    (libc::IPPROTO_IP, libc::IP_RECVTOS, 1),
    (libc::IPPROTO_IP, libc::IP_RECVOPTS, 1),
    (libc::IPPROTO_IP, libc::IP_RETOPTS, 1),
    (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR, 1),
    (libc::IPPROTO_IP, libc::IP_PASSSEC, 1),
    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
    (libc::IPPROTO_IP, libc::IP_MULTICAST_IF, i32::from_ne_bytes([127, 0, 0, 1])),
    (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, 9),
    (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, 0),
    // The index of the loopback interface, in network byte order.
    (libc::IPPROTO_IP, libc::IP_UNICAST_IF, 1_i32.to_be()),
];
const OPTIONS_OF_V6: &[(i32, i32, i32)] = &[
    (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVRTHDR, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPOPTS, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVDSTOPTS, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVPATHMTU, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_FLOWINFO, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
    (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, 9),
    (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, 0),
    (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_IF, 1_i32.to_be()),
];

fn option(socket: &UdpSocket, (level, name, _): (i32, i32, i32)) -> Option<i32> {
    let (mut value, mut length) = (0_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    (result == 0).then_some(value)
}

fn set_option(socket: &UdpSocket, (level, name, value): (i32, i32, i32)) {
    // SAFETY: the kernel reads the bytes of `value`.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
}

#[test]
fn a_socket_of_ipv6_that_was_handed_over_has_left_its_groups() {
    let (group, loopback) = ("ff01::1234".parse().unwrap(), 1);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.join_multicast_v6(&group, loopback).unwrap();
    let _server = handed_over(&socket).unwrap();
    let left = socket.leave_multicast_v6(&group, loopback).unwrap_err();
    assert_eq!(left.kind(), std::io::ErrorKind::AddrNotAvailable, "it had left the group");
}

#[test]
fn options_of_an_inherited_socket_are_reset_to_defaults() {
    for (address, of_family) in [("127.0.0.1:0", OPTIONS_OF_V4), ("[::1]:0", OPTIONS_OF_V6)] {
        let together = [OPTIONS_OF_ALL, of_family].concat();
        for options in std::iter::once(&together[..]).chain(OPTIONS_ALONE.chunks(1)) {
            let (new, socket) =
                (UdpSocket::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
            for one in options {
                set_option(&socket, *one);
            }
            let is_new = |one: (i32, i32, i32)| option(&socket, one) == option(&new, one);
            let others: Vec<_> = options.iter().copied().filter(|one| !is_new(*one)).collect();
            // A kernel may lack some, and only root may set all.
            assert!(!others.is_empty(), "{address}: {options:?}");
            for one in options.iter().filter(|one| !others.contains(one)) {
                eprintln!("not tested: nobody could set {one:?} of {address}");
            }
            let server = handed_over(&socket).unwrap();
            // A new socket bound by this host reports which datagram an error is about, and when
            // each arrived.
            set_option(&new, *of_family.iter().find(|one| ERRORS.contains(one)).unwrap());
            setsockopt(&new, sockopt::ReceiveTimestampns, &true).unwrap();
            for one in others {
                assert!(
                    is_new(one),
                    "{address}: {one:?}: {:?}, not {:?}",
                    option(&socket, one),
                    option(&new, one)
                );
            }
            assert_eq!(server.stop().code(), 0);
        }
    }
}

/// The options that this host sets itself.
const ERRORS: [(i32, i32, i32); 2] =
    [(libc::IPPROTO_IP, libc::IP_RECVERR, 1), (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)];

/// Headers that a socket may add to each datagram (RFC 791, RFC 8200): padding alone, and a segment
/// route (RFC 8754).
const HEADERS: &[(&str, i32, i32, &[u8])] = &[
    ("127.0.0.1:0", libc::IPPROTO_IP, libc::IP_OPTIONS, &[1; 4]),
    ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_HOPOPTS, &[0, 0, 1, 4, 0, 0, 0, 0]),
    ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_RTHDRDSTOPTS, &[0, 0, 1, 4, 0, 0, 0, 0]),
    ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, &[0, 0, 1, 4, 0, 0, 0, 0]),
    (
        "[::1]:0",
        libc::IPPROTO_IPV6,
        libc::IPV6_RTHDR,
        &[0, 2, 4, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ),
];

#[test]
fn a_socket_that_was_handed_over_puts_no_header_into_datagrams() {
    let mut tried = 0;
    for (address, level, name, header) in HEADERS {
        let socket = UdpSocket::bind(address).unwrap();
        let descriptor = socket.as_raw_fd();
        let length = || {
            let (mut bytes, mut length) = ([0_u8; 64], 64);
            // SAFETY: the kernel writes at most `length` bytes, which is the size of `bytes`.
            let result = unsafe {
                libc::getsockopt(
                    descriptor,
                    *level,
                    *name,
                    bytes.as_mut_ptr().cast(),
                    &raw mut length,
                )
            };
            assert_eq!(result, 0);
            length
        };
        // SAFETY: the kernel reads the bytes of `header`.
        unsafe {
            libc::setsockopt(
                descriptor,
                *level,
                *name,
                header.as_ptr().cast(),
                header.len() as libc::socklen_t,
            )
        };
        if length() == 0 {
            eprintln!(
                "not tested: this kernel, or this user, cannot set option {name} of level {level}"
            );
            continue;
        }
        tried += 1;
        let server = handed_over(&socket).unwrap();
        assert_eq!(length(), 0, "option {name} of level {level}");
        assert_eq!(server.stop().code(), 0);
    }
    // The others require root.
    assert!(tried > 0 && (tried > 2 || std::env::var_os("UDPING_ALL_PEERS").is_none()), "{tried}");
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
            command
                .args(["-S", "allow-ip-name-lookup", "--allow-listen", "127.0.0.1:0", "--key-file"])
                .arg(&key);
        }
        command.args(["server", "0", "--bind", "127.0.0.1"]).uid(nobody).gid(nobody);
        // Otherwise core dumps may be disabled anyway.
        let most = getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).unwrap();
        let server = Server::listening(&mut command);
        let pid = pid(&server.process);
        // Files that the kernel hides from the user belong to root (proc(5)).
        let owner = fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
        assert_eq!(owner, if keyed { 0 } else { nobody }, "keyed: {keyed}");
        let core = limit(pid, "Max core file size");
        assert!(core.iter().all(|most| ["0", "1"].contains(&most.as_str())) || !keyed, "{core:?}");
        // The helper that reads the key file has the key, and the resolver may have a guest's data.
        let helpers = children(pid);
        assert_eq!(helpers.len(), if keyed { 2 } else { 0 });
        for helper in helpers {
            let restricts_itself =
                || fs::metadata(format!("/proc/{helper}/environ")).unwrap().uid() == 0;
            until(|| restricts_itself().then_some(()));
        }
        let mut other = Command::new("cat");
        other
            .arg(format!("/proc/{pid}/environ"))
            .uid(nobody)
            .gid(nobody)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert_eq!(other.status().unwrap().success(), !keyed, "keyed: {keyed}");
    }
}
