//! Tests of what a hardened process can no longer do, by attempts in a process of its own: a second
//! run of this test program.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may well panic")]
#![expect(clippy::cast_possible_wrap, reason = "requests of ioctl(2) are small")]

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::time::Duration;
use std::{env, fs, process, ptr, thread};

use rustix::process::{Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    set_capabilities,
};
use udping_harden::{self as harden, Needs};

/// The environment variable that tells the second run how to harden itself.
const ROLE: &str = "UDPING_HARDENED";

/// Runs this test program again, to harden itself according to `role` and make its attempts, and
/// returns their results.
fn attempts_as(role: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "attempts", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.split_once("attempt: ")?.1.to_owned())).collect()
}

/// The second run. Without its variable it tests nothing.
#[test]
fn attempts() {
    let Ok(role) = env::var(ROLE) else { return };
    // SAFETY: the child must not use what another thread has locked. The only other thread is the
    // test harness's, which waits.
    match unsafe { libc::fork() } {
        // With a single thread, like a process that hardens itself.
        0 => {
            match role.as_str() {
                "privileges" => give_up_privileges(),
                "another thread" => shut_beside_another_thread(),
                "inherited" => hand_down(),
                "hidden" => hide_memory(),
                "compiler" => deny_network(),
                "reader" => read_again(),
                _ => attempt_all(&role),
            }
            exit(0)
        }
        child => {
            let mut status = 0;
            // SAFETY: the kernel may write to `status`.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
}

/// What a system call attempts, its number and its arguments. Only its error counts: the arguments
/// are such that it has no effect.
type Attempt = (&'static str, libc::c_long, [libc::c_long; 6]);

/// Flags of clone(2) that start more than a thread of this process, and what they attempt.
const CLONES: &[(&str, libc::c_int)] = &[
    ("start a process", 0),
    ("start a thread with CLONE_NEWNS", libc::CLONE_THREAD | libc::CLONE_NEWNS),
    ("start a thread with CLONE_NEWCGROUP", libc::CLONE_THREAD | libc::CLONE_NEWCGROUP),
    ("start a thread with CLONE_NEWUTS", libc::CLONE_THREAD | libc::CLONE_NEWUTS),
    ("start a thread with CLONE_NEWIPC", libc::CLONE_THREAD | libc::CLONE_NEWIPC),
    ("start a thread with CLONE_NEWUSER", libc::CLONE_THREAD | libc::CLONE_NEWUSER),
    ("start a thread with CLONE_NEWPID", libc::CLONE_THREAD | libc::CLONE_NEWPID),
    ("start a thread with CLONE_NEWNET", libc::CLONE_THREAD | libc::CLONE_NEWNET),
    ("start a thread with CLONE_PTRACE", libc::CLONE_THREAD | libc::CLONE_PTRACE),
    ("start a thread with CLONE_VFORK", libc::CLONE_THREAD | libc::CLONE_VFORK),
    ("start a thread with CLONE_PARENT", libc::CLONE_THREAD | libc::CLONE_PARENT),
    ("start a thread with CLONE_PIDFD", libc::CLONE_THREAD | libc::CLONE_PIDFD),
];

/// System calls that processes which run guests or resolve names do not need.
fn needless(socket: &UdpSocket) -> Vec<Attempt> {
    let (descriptor, parent) = (socket.as_raw_fd().into(), libc::c_long::from(parent_id()));
    let nobody = libc::c_long::from(i32::MAX);
    let set =
        |level: libc::c_int, name: libc::c_int| [descriptor, level.into(), name.into(), 0, 0, 0];
    let mut attempts = vec![
        ("type into a terminal", libc::SYS_ioctl, [0, libc::TIOCSTI as libc::c_long, 0, 0, 0, 0]),
        ("take a terminal over", libc::SYS_ioctl, [0, libc::TIOCSCTTY as libc::c_long, 0, 0, 0, 0]),
        ("signal a thread of another process", libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]),
        ("signal another process", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]),
        ("signal another thread", libc::SYS_tkill, [parent, 0, 0, 0, 0, 0]),
        // A recent Landlock denies the calls above, too, but not these, for which there is no
        // target.
        ("signal a thread of no process", libc::SYS_tgkill, [nobody, nobody, 0, 0, 0, 0]),
        ("signal no process", libc::SYS_kill, [nobody, 0, 0, 0, 0, 0]),
        ("signal no thread", libc::SYS_tkill, [nobody, 0, 0, 0, 0, 0]),
        ("execute a file", libc::SYS_execve, [0, 0, 0, 0, 0, 0]),
        ("execute an open file", libc::SYS_execveat, [-1, 0, 0, 0, 0, 0]),
        ("change a file's mode", libc::SYS_fchmodat, [-1, 0, 0, 0, 0, 0]),
        ("change a file's owner", libc::SYS_fchownat, [-1, 0, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0, 0, 0, 0]),
        ("limit another process", libc::SYS_prlimit64, [nobody, 0, 0, 0, 0, 0]),
        ("listen for connections", libc::SYS_listen, [descriptor, 1, 0, 0, 0, 0]),
        (
            "make a pair of sockets",
            libc::SYS_socketpair,
            [libc::AF_UNIX.into(), libc::SOCK_DGRAM.into(), 0, 0, 0, 0],
        ),
        (
            "have another process signalled",
            libc::SYS_fcntl,
            [descriptor, libc::F_SETOWN.into(), parent, 0, 0, 0],
        ),
        (
            "have signals sent",
            libc::SYS_fcntl,
            [descriptor, libc::F_SETFL.into(), libc::O_ASYNC.into(), 0, 0, 0],
        ),
        (
            "lease a file",
            libc::SYS_fcntl,
            [0, libc::F_SETLEASE.into(), libc::F_UNLCK.into(), 0, 0, 0],
        ),
        ("watch a folder", libc::SYS_fcntl, [descriptor, libc::F_NOTIFY.into(), 0, 0, 0, 0]),
        ("be traced", libc::SYS_prctl, [libc::PR_SET_PTRACER.into(), 0, 0, 0, 0, 0]),
        ("be dumped", libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0, 0]),
        ("keep capabilities", libc::SYS_prctl, [libc::PR_SET_KEEPCAPS.into(), 0, 0, 0, 0, 0]),
        ("broadcast", libc::SYS_setsockopt, set(libc::SOL_SOCKET, libc::SO_BROADCAST)),
        ("choose an interface", libc::SYS_setsockopt, set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE)),
        ("attach a filter", libc::SYS_setsockopt, set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER)),
        ("share an address", libc::SYS_setsockopt, set(libc::SOL_SOCKET, libc::SO_REUSEADDR)),
        ("join a group", libc::SYS_setsockopt, set(libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP)),
        ("have any address", libc::SYS_setsockopt, set(libc::IPPROTO_IP, libc::IP_TRANSPARENT)),
        ("choose a route", libc::SYS_setsockopt, set(libc::IPPROTO_IP, libc::IP_OPTIONS)),
        ("make a memory file executable", libc::SYS_memfd_create, [0, 0x10, 0, 0, 0, 0]),
        (
            "make memory executable by a key",
            libc::SYS_pkey_mprotect,
            [0, 0, libc::PROT_EXEC.into(), -1, 0, 0],
        ),
        ("share memory", libc::SYS_shmat, [-1, 0, 0, 0, 0, 0]),
        ("make all memory executable", libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]),
        (
            "trace a process",
            libc::SYS_ptrace,
            [libc::c_long::from(libc::PTRACE_PEEKUSER), parent, 0, 0, 0, 0],
        ),
        ("write another's memory", libc::SYS_process_vm_writev, [parent, 0, 0, 0, 0, 0]),
        ("use io_uring", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        ("catch faults", libc::SYS_userfaultfd, [-1, 0, 0, 0, 0, 0]),
        ("read the kernel's keys", libc::SYS_keyctl, [-1, 0, 0, 0, 0, 0]),
        ("load a program into the kernel", libc::SYS_bpf, [-1, 0, 0, 0, 0, 0]),
        ("open a file by its number", libc::SYS_open_by_handle_at, [-1, 0, 0, 0, 0, 0]),
        ("enter a namespace", libc::SYS_setns, [-1, 0, 0, 0, 0, 0]),
        ("leave a namespace", libc::SYS_unshare, [0, 0, 0, 0, 0, 0]),
    ];
    // CLONE_SIGHAND without CLONE_VM is invalid, so that calls which pass the filter fail.
    let clone = |(what, flags): &(&'static str, libc::c_int)| {
        (*what, libc::SYS_clone, [(flags | libc::CLONE_SIGHAND).into(), 0, 0, 0, 0, 0])
    };
    attempts.extend(CLONES.iter().map(clone));
    attempts
}

fn attempt_all(role: &str) {
    let (bind_capability, marks) = (role == "low ports", role == "marks");
    let needs = Needs { bind_capability, mark: marks, bind_device: marks };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let needless = needless(&socket);
    // Sockets that are open already still exist: Landlock restricts them, too, which a filter of
    // system calls could not.
    let stream = open_socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    let abstract_address =
        SocketAddr::from_abstract_name(format!("udping-hardened-{}", process::id())).unwrap();
    let listening = UnixDatagram::bind_addr(&abstract_address).unwrap();
    let unix = UnixDatagram::unbound().unwrap();
    let unhardened: Vec<_> = match role {
        "none" => Vec::new(),
        "resolver" => {
            harden::drop_privileges(needs).into_iter().chain(harden::shut_resolver()).collect()
        }
        _ => {
            harden::drop_privileges(needs).into_iter().chain(harden::shut_but_for(needs)).collect()
        }
    };
    assert_eq!(
        unhardened.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    say("read a file", File::open("/etc/passwd").map(drop));
    say("read a secret", File::open("/etc/shadow").map(drop));
    say("read memory of its own", File::open("/proc/self/mem").map(drop));
    say("read what the resolver reads", File::open("/etc/hosts").map(drop));
    // Landlock does not restrict this.
    say("look for a file", File::open("/no-such-file").map(drop));
    say("write a file", fs::write("/tmp/udping-hardened-test", "x"));
    say("start a program", Command::new("/bin/true").status().map(drop));
    say("use TCP", TcpStream::connect("127.0.0.1:9").map(drop));
    say("use TCP as DNS does", TcpStream::connect("127.0.0.1:53").map(drop));
    say("connect a TCP socket from before", connect(&stream));
    say(
        "reach another's abstract Unix socket",
        unix.send_to_addr(b"x", &abstract_address).map(drop),
    );
    drop(listening);
    say("open a TCP socket", open_socket(libc::AF_INET, libc::SOCK_STREAM, 0).map(drop));
    say("use Unix sockets", UnixDatagram::unbound().map(drop));
    say(
        "use netlink",
        open_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC).map(drop),
    );
    say(
        "read the routing table",
        open_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map(drop),
    );
    say("make packets", open_socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_UDP).map(drop));
    // A filter cannot read its flags.
    let clone3 = unsafe { libc::syscall(libc::SYS_clone3, 0, 0) };
    say("use clone3", if clone3 < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    say("map executable memory", map(libc::PROT_READ | libc::PROT_EXEC, None));
    say(
        "map memory to write and execute",
        map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, None),
    );
    say("make memory executable", make_executable());
    say(
        "map a library",
        library().and_then(|file| map(libc::PROT_READ | libc::PROT_EXEC, Some(&file))),
    );
    say(
        "write to a library's memory and execute it",
        library().and_then(|file| {
            map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, Some(&file))
        }),
    );
    say("resolve a name", ("localhost", 0).to_socket_addrs().map(drop));
    say("bind a low port", UdpSocket::bind("127.0.0.1:9").map(drop));
    say("mark what is sent", mark());
    harden::BindCapability::new(needs.keep_a_capability()).release();
    say("mark what is sent later", mark());
    say("bind a low port later", UdpSocket::bind("127.0.0.1:9").map(drop));
    // The operations of a run.
    say("use UDP", UdpSocket::bind("127.0.0.1:0").map(drop));
    say(
        "start a thread",
        thread::spawn(|| thread::sleep(Duration::from_millis(1))).join().map_err(|_| other()),
    );
    say("set what a socket does", socket.set_nonblocking(true).and_then(|()| socket.set_ttl(7)));
    say("have a descriptor twice", socket.try_clone().map(drop));
    say("tell a terminal", if io::stdin().is_terminal() { Err(other()) } else { Ok(()) });
    say("make a memory file", memory_file());
    say("look at itself", fs::read_to_string("/proc/self/status").map(drop));
    for (what, number, [a, b, c, d, e, f]) in needless {
        // SAFETY: no call is given an address to write to, and its effect is limited by its
        // arguments.
        let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        say(what, if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}

/// Prints what privileges are left, from the lines of this thread's status: with a capability for
/// low ports, and then without.
fn give_up_privileges() {
    let all = CapabilitySet::all();
    // Without inheritable capabilities, nothing would be left to drop: executed files and ambient
    // capabilities need them.
    if let Ok(has) = capabilities(None)
        && set_capabilities(None, CapabilitySets { inheritable: has.permitted & all, ..has })
            .is_ok()
    {
        configure_capability_in_ambient_set(CapabilitySet::NET_RAW, true).unwrap();
    }
    for step in ["before", "low ports", "bound"] {
        match step {
            "low ports" => assert!(
                harden::drop_privileges(Needs { bind_capability: true, ..Needs::default() })
                    .is_empty()
            ),
            "bound" => harden::BindCapability::new(true).release(),
            _ => {}
        }
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        for line in
            status.lines().filter(|line| line.starts_with("Cap") || line.starts_with("NoNewPrivs"))
        {
            println!("attempt: {step}: {}", line.replace(":\t", " "));
        }
    }
}

/// Landlock cannot be used if there is another thread already.
fn shut_beside_another_thread() {
    thread::spawn(thread::park);
    for unhardened in harden::shut() {
        println!("attempt: shut: {unhardened}");
    }
}

/// Prints what becomes of a descriptor that was open before this program started, and is not for
/// the processes that it starts.
fn hand_down() {
    let inherited = File::open("/dev/null").unwrap();
    // SAFETY: that number is not in use, and the duplicate has no owner.
    assert_eq!(unsafe { libc::dup2(inherited.as_raw_fd(), 77) }, 77);
    let is_handed_down =
        || Command::new("test").args(["-e", "/proc/self/fd/77"]).status().unwrap().success();
    println!("attempt: hand down before: {}", is_handed_down());
    harden::note_inherited();
    println!("attempt: hand down after: {}", is_handed_down());
    // SAFETY: it only queries whether the descriptor is open.
    let is_open = |number| unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    let opened_later = File::open("/dev/null").unwrap();
    harden::close_inherited([inherited.as_fd()]);
    let open = [77, inherited.as_raw_fd(), opened_later.as_raw_fd()].map(is_open);
    println!("attempt: close: {open:?}");
}

/// Prints what other processes, and a core dump, could read of this one.
fn hide_memory() {
    let room = Some(4_096);
    // A lower limit stays.
    let _ = setrlimit(Resource::Core, Rlimit { current: room, maximum: room });
    let core = || getrlimit(Resource::Core).current;
    println!("attempt: hide: {:?}", dumpable_behavior().unwrap());
    println!("attempt: room: {:?}", core());
    for unhardened in harden::hide_memory() {
        println!("attempt: {unhardened}");
    }
    println!("attempt: hide: {:?}", dumpable_behavior().unwrap());
    println!("attempt: room: {:?}", core());
}

/// Attempts of a process that compiles, with sockets opened before.
fn deny_network() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unbound = open_socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
    for unhardened in harden::deny_network() {
        println!("attempt: {unhardened}");
    }
    say("use UDP", UdpSocket::bind("127.0.0.1:0").map(drop));
    say("open a TCP socket", open_socket(libc::AF_INET, libc::SOCK_STREAM, 0).map(drop));
    say("make a pair of sockets", UnixDatagram::pair().map(drop));
    say("connect a socket from before", udp.connect("127.0.0.1:9"));
    let anywhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    say("bind a socket from before", rustix::net::bind(&unbound, &anywhere).map_err(Into::into));
    say("read a file", File::open("/etc/passwd").map(drop));
    say("start a program", Command::new("/bin/true").status().map(drop));
    say("map executable memory", map(libc::PROT_READ | libc::PROT_EXEC, None));
}

/// Attempts of a process that rereads a file, which is a symbolic link on most systems.
fn read_again() {
    harden::drop_privileges(Needs::default());
    let file = Path::new("/etc/os-release");
    for unhardened in harden::shut_reader(file) {
        println!("attempt: {unhardened}");
    }
    say("read it again", fs::read(file).map(drop));
    say("read what has its name then", fs::read("/etc/hosts").map(drop));
    say("read another folder", fs::read("/proc/self/status").map(drop));
    say("list its folder", fs::read_dir("/etc").map(drop));
    say("write a file", fs::write("/etc/udping-hardened-test", "x"));
    say("start a program", Command::new("/bin/true").status().map(drop));
    say("use UDP", UdpSocket::bind("127.0.0.1:0").map(drop));
    say("map memory", map(libc::PROT_READ | libc::PROT_WRITE, None));
    say("map executable memory", map(libc::PROT_READ | libc::PROT_EXEC, None));
}

/// Marks what a new socket sends (`SO_MARK`).
fn mark() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    Ok(nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Mark, &7)?)
}

fn say(what: &str, result: io::Result<()>) {
    println!("attempt: {what}: {:?}", result.map_err(|error| error.kind()));
}

fn other() -> io::Error {
    ErrorKind::Other.into()
}

fn open_socket(
    family: libc::c_int,
    kind: libc::c_int,
    protocol: libc::c_int,
) -> io::Result<OwnedFd> {
    // SAFETY: it takes three numbers.
    let descriptor = unsafe { libc::socket(family, kind, protocol) };
    // SAFETY: the descriptor is new, and has no other owner.
    if descriptor < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

/// Connects to a port of this host on which nothing listens.
fn connect(stream: &OwnedFd) -> io::Result<()> {
    Ok(rustix::net::connect(stream, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9))?)
}

fn library() -> io::Result<File> {
    let folders =
        ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];
    let mut opened = folders.map(|folder| File::open(format!("{folder}/libc.so.6"))).into_iter();
    opened.find(|file| !matches!(file, Err(error) if error.kind() == ErrorKind::NotFound)).unwrap()
}

fn map(protection: libc::c_int, file: Option<&File>) -> io::Result<()> {
    let (flags, descriptor) = match file {
        Some(file) => (libc::MAP_PRIVATE, file.as_raw_fd()),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
    };
    // SAFETY: a new mapping at any address, which is not used.
    let address = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, descriptor, 0) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn make_executable() -> io::Result<()> {
    // SAFETY: a new mapping at any address, which is not used.
    let result = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let address =
            libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        libc::mprotect(address, 4096, libc::PROT_READ | libc::PROT_EXEC)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn memory_file() -> io::Result<()> {
    // SAFETY: the name is NUL-terminated, and the rest is a number.
    let result = unsafe {
        libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

const DENIED: &str = "Err(PermissionDenied)";
const DONE: &str = "Ok(())";

/// The result of an attempt.
fn came_of<'a>(attempts: &'a [String], what: &str) -> &'a str {
    let result = attempts.iter().find_map(|attempt| attempt.strip_prefix(what)?.strip_prefix(": "));
    result.unwrap_or_else(|| panic!("{what}: not tried: {attempts:?}"))
}

#[track_caller]
fn assert_all(attempts: &[String], whats: &[&str], result: &str) {
    for what in whats {
        assert_eq!(came_of(attempts, what), result, "{what}");
    }
}

/// The attempts that fail in processes that run guests, and in those that resolve names.
const NEVER: &[&str] = &[
    "read a file",
    "read a secret",
    "read memory of its own",
    "write a file",
    "start a program",
    "use TCP",
    "connect a TCP socket from before",
    "reach another's abstract Unix socket",
    "use Unix sockets",
    "use netlink",
    "make packets",
    "map executable memory",
    "map memory to write and execute",
    "make memory executable",
    "write to a library's memory and execute it",
    "bind a low port",
    "bind a low port later",
    "look at itself",
];

/// The attempts that succeed in both.
const ALWAYS: &[&str] = &[
    "use UDP",
    "start a thread",
    "set what a socket does",
    "have a descriptor twice",
    "tell a terminal",
];

fn needless_names() -> Vec<&'static str> {
    needless(&UdpSocket::bind("127.0.0.1:0").unwrap()).into_iter().map(|(what, ..)| what).collect()
}

#[test]
fn a_hardened_process_has_its_datagrams_and_nothing_else() {
    let attempts = attempts_as("all");
    assert_all(&attempts, NEVER, DENIED);
    let resolving = [
        "read what the resolver reads",
        "use TCP as DNS does",
        "read the routing table",
        "map a library",
    ];
    assert_all(&attempts, &resolving, DENIED);
    assert_all(&attempts, &["look for a file", "open a TCP socket"], DENIED);
    assert_eq!(came_of(&attempts, "use clone3"), "Err(Unsupported)");
    assert_all(&attempts, &needless_names(), DENIED);
    assert_all(&attempts, ALWAYS, DONE);
    assert_eq!(came_of(&attempts, "make a memory file"), DENIED);
}

#[test]
fn low_ports_are_bound_where_they_are_granted_and_only_at_first() {
    if !may_bind_low_ports() {
        return;
    }
    let attempts = attempts_as("low ports");
    assert_eq!(came_of(&attempts, "bind a low port"), DONE);
    assert_all(&attempts, &["bind a low port later", "read a file"], DENIED);
}

/// Socket options set by an operator need system calls, and a capability, which only that run has.
#[test]
fn sockets_are_marked_when_asked_until_privileges_are_dropped() {
    if !may_bind_low_ports() {
        return;
    }
    let attempts = attempts_as("marks");
    assert_eq!(came_of(&attempts, "mark what is sent"), DONE);
    assert_all(
        &attempts,
        &["mark what is sent later", "make packets", "bind a low port", "read a file"],
        DENIED,
    );
    assert_all(&attempts_as("all"), &["mark what is sent"], DENIED);
    assert_eq!(came_of(&attempts_as("none"), "mark what is sent"), DONE);
}

#[test]
fn resolver_reads_only_the_system_resolver_configuration() {
    let attempts = attempts_as("resolver");
    assert_all(&attempts, NEVER, DENIED);
    assert_all(&attempts, &needless_names(), DENIED);
    let resolving = [
        "read what the resolver reads",
        "resolve a name",
        "read the routing table",
        "map a library",
    ];
    assert_all(&attempts, &resolving, DONE);
    assert_eq!(came_of(&attempts, "use TCP as DNS does"), "Err(ConnectionRefused)");
    assert_eq!(came_of(&attempts, "look for a file"), "Err(NotFound)");
    assert_eq!(came_of(&attempts, "use clone3"), "Err(Unsupported)");
    assert_all(&attempts, &["use UDP", "start a thread", "open a TCP socket"], DONE);
    assert_eq!(came_of(&attempts, "make a memory file"), DENIED);
}

#[test]
fn only_bind_capability_is_kept_until_low_ports_are_bound() {
    if !may_bind_low_ports() {
        return;
    }
    let status = attempts_as("privileges");
    let of = |step: &str, name: &str| {
        let value = status
            .iter()
            .find_map(|line| line.strip_prefix(step)?.strip_prefix(": ")?.strip_prefix(name))
            .unwrap()
            .trim();
        u64::from_str_radix(value, 16).unwrap()
    };
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_ne!(of("before", name), 0, "else the test would show nothing: {name}");
        // CAP_NET_BIND_SERVICE, in the sets from which capabilities are used.
        let kept = if matches!(name, "CapPrm" | "CapEff") { 1 << 10 } else { 0 };
        assert_eq!(of("low ports", name), kept, "{name}");
        assert_eq!(of("bound", name), 0, "{name}");
    }
    assert_eq!((of("before", "NoNewPrivs"), of("low ports", "NoNewPrivs")), (0, 1));
}

#[test]
fn beside_another_thread_landlock_is_said_not_to_hold() {
    let said = attempts_as("another thread");
    let expected = "shut: warning: not hardened by Landlock: there are 2 threads already, and it holds for one; ";
    assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
}

#[test]
fn what_was_open_at_the_start_is_not_handed_down() {
    let expected =
        ["hand down before: true", "hand down after: false", "close: [false, true, true]"];
    assert_eq!(attempts_as("inherited"), expected);
}

#[test]
fn memory_is_neither_shown_nor_written_to_a_core_file() {
    let attempts = attempts_as("hidden");
    let [hide, room, hidden, no_room] = &attempts[..] else { panic!("{attempts:?}") };
    assert_eq!([hide, hidden], ["hide: Dumpable", "hide: NotDumpable"]);
    let rooms = [room, no_room].map(|line| line.trim_start_matches("room: "));
    assert!(matches!(rooms, ["Some(4096)", "Some(1)"] | ["Some(0)", "Some(0)"]), "{rooms:?}");
}

#[test]
fn who_compiles_has_no_sockets_and_all_else() {
    let attempts = attempts_as("compiler");
    let denied = [
        "use UDP",
        "open a TCP socket",
        "make a pair of sockets",
        "connect a socket from before",
        "bind a socket from before",
    ];
    assert_all(&attempts, &denied, DENIED);
    assert_all(&attempts, &["read a file", "start a program", "map executable memory"], DONE);
    assert_eq!(attempts.len(), 8, "{attempts:?}");
}

#[test]
fn who_reads_a_file_again_reads_in_its_folders_alone() {
    let attempts = attempts_as("reader");
    assert_all(&attempts, &["read it again", "read what has its name then", "map memory"], DONE);
    let denied = [
        "read another folder",
        "list its folder",
        "write a file",
        "start a program",
        "use UDP",
        "map executable memory",
    ];
    assert_all(&attempts, &denied, DENIED);
    assert_eq!(attempts.len(), 9, "{attempts:?}");
}

/// Without hardening, all attempts succeed: otherwise the tests above would prove nothing.
#[test]
fn an_unhardened_process_can_do_all_of_that() {
    let attempts = attempts_as("none");
    for what in [
        "read a file",
        "read memory of its own",
        "write a file",
        "start a program",
        "map executable memory",
    ] {
        assert_eq!(came_of(&attempts, what), DONE, "{what}");
    }
    assert_all(&attempts, &["make memory executable", "map memory to write and execute"], DONE);
    assert_all(&attempts, &["use netlink", "use Unix sockets", "look at itself"], DONE);
    assert_all(&attempts, &["open a TCP socket", "reach another's abstract Unix socket"], DONE);
    assert_all(
        &attempts,
        &["use TCP", "connect a TCP socket from before"],
        "Err(ConnectionRefused)",
    );
    if may_bind_low_ports() {
        assert_eq!(came_of(&attempts, "bind a low port"), DONE);
        // Nothing is denied to root: the results depend on the arguments.
        for what in needless_names() {
            assert_ne!(came_of(&attempts, what), DENIED, "{what}");
        }
    }
}

/// Whether low ports can be bound. CI runs tests as root; elsewhere they report what they skip.
fn may_bind_low_ports() -> bool {
    let may = UdpSocket::bind("127.0.0.1:1").is_ok();
    if !may {
        eprintln!("not tested: who runs this test may not bind low ports");
        assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
    }
    may
}
